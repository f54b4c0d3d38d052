//! Encryption of the connections, and how to end them from outside.
//!
//! One configuration for all connections of a session: the data connection then resumes the TLS
//! session of the control connection, which many servers demand as a proof that both come from the
//! same client.

use std::fmt;
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use suppaftp::{FtpError, FtpResult, RustlsConnector, TlsConnector};

use super::error::Error;

/// Trusts what the system trusts, or only the certificates in the file.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let setup = |error: &dyn fmt::Display| Error::Setup(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(&error))?;
    let builder = match ca_file {
        None => builder
            .with_platform_verifier()
            .map_err(|error| setup(&error))?,
        Some(path) => builder.with_root_certificates(read_roots(path)?),
    };
    Ok(builder.with_no_client_auth())
}

fn read_roots(path: &Path) -> Result<RootCertStore, Error> {
    let fault = |what: String| Error::Setup(format!("ca-file {}: {what}", path.display()));
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| fault(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| fault(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| fault(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(fault("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

/// The sockets of a session, so that another thread than the one that waits for them can end it;
/// cheap to clone.
#[derive(Clone)]
pub(super) struct Wires {
    /// `None` once all must end.
    sockets: Arc<Mutex<Option<Vec<TcpStream>>>>,
    /// How long one read or write may take.
    patience: Duration,
}

impl Wires {
    pub(super) fn new(patience: Duration) -> Self {
        let sockets = Arc::new(Mutex::new(Some(Vec::new())));
        Self { sockets, patience }
    }

    /// Takes a socket under its wings.
    pub(super) fn attach(&self, socket: &TcpStream) -> FtpResult<()> {
        let clone = || {
            socket.set_read_timeout(Some(self.patience))?;
            socket.set_write_timeout(Some(self.patience))?;
            socket.set_nodelay(true)?;
            socket.try_clone()
        };
        let clone = clone().map_err(FtpError::ConnectionError)?;
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        match sockets.as_mut() {
            Some(sockets) => sockets.push(clone),
            None => shut_socket(&clone),
        }
        Ok(())
    }

    /// Ends all connections, those to come too.
    pub(super) fn close(&self) {
        let sockets = self
            .sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        for socket in sockets.unwrap_or_default() {
            shut_socket(&socket);
        }
    }
}

fn shut_socket(socket: &TcpStream) {
    // Fails only for one that has ended by itself.
    socket.shutdown(Shutdown::Both).ok();
}

/// An encrypted connection.
pub(super) type Encrypted = <RustlsConnector as TlsConnector>::Stream;

/// Encrypts a connection, with its socket attached.
pub(super) struct Connector {
    inner: RustlsConnector,
    wires: Wires,
}

impl Connector {
    pub(super) fn new(config: ClientConfig, wires: Wires) -> Self {
        Self {
            inner: RustlsConnector::from(Arc::new(config)),
            wires,
        }
    }
}

impl TlsConnector for Connector {
    type Stream = Encrypted;

    fn connect(&self, domain: &str, stream: TcpStream) -> FtpResult<Encrypted> {
        self.wires.attach(&stream)?;
        self.inner.connect(domain, stream)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
