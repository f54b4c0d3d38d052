"""A TLS front: what comes to the address in the certificate, on port 443, goes to a plain listener.

The platform's client knows no other scheme and no other port. Usage: front.py HOST PORT CERTIFICATE
"""

import socket
import ssl
import sys
import threading


def pump(source, sink):
    """Passes bytes on until there are no more, then says so to the other side."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # Either side hung up; the other one is told by the close.
        source.close()
        sink.close()


def serve(client, port):
    try:
        client = context.wrap_socket(client, server_side=True)
    except OSError:
        return
    server = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)


host, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
listener = socket.create_server((host, 443))
print("listening", flush=True)
while True:
    client, _ = listener.accept()
    threading.Thread(target=serve, args=(client, port), daemon=True).start()
