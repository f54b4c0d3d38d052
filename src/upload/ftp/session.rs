//! One log-in at the server, and the commands that an upload needs.
//!
//! Each answer is a sign of life for the watchdog.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use suppaftp::types::FileType;
use suppaftp::{DataStream, FtpError, FtpResult, Mode, RustlsFtpStream, Status, TransferStream};

use super::error::{Error, Refusal};
use super::reply::{HIDDEN, Words, translate_error};
use super::tls::{self, Connector, Encrypted, Wires};
use crate::config::{Ftp, Tls};
use crate::upload::flight::Flight;

/// A connection over which data goes.
pub(super) type Data = TransferStream<Encrypted>;

/// A log-in.
pub(super) struct Session {
    ftp: RustlsFtpStream,
    flight: Arc<Flight>,
    wires: Wires,
    password: SecretString,
    stall: Duration,
}

impl Session {
    /// Logs in, and goes to the folder.
    pub(super) fn open(
        server: &Ftp,
        flight: Arc<Flight>,
        wires: &Wires,
        stall: Duration,
    ) -> Result<Self, Error> {
        let (ftp, is_v6) = connect_server(server, wires, stall)?;
        let mut session = Self {
            ftp,
            flight,
            wires: wires.clone(),
            password: server.password.clone(),
            stall,
        };
        session.flight.pulse();
        if server.tls == Tls::Explicit {
            session = session.encrypt(server)?;
        }
        session.ftp.set_encoding(Words(server.password.clone()));
        if server.tls == Tls::Implicit {
            // Before the log-in, as some servers want it then; after it, the rest take it too.
            session.ask("PBSZ", |ftp| {
                ftp.custom_command("PBSZ 0", &[Status::CommandOk])
            })?;
            session.ask("PROT", |ftp| {
                ftp.custom_command("PROT P", &[Status::CommandOk])
            })?;
        }
        session.set_up_data(server, is_v6);
        session.ask("LOGIN", |ftp| ftp.login(server.user.as_str(), HIDDEN))?;
        session.ask("TYPE", |ftp| ftp.transfer_type(FileType::Binary))?;
        session.speak_utf8()?;
        if let Some(directory) = &server.directory {
            session.ask("CWD", |ftp| ftp.cwd(directory))?;
        }
        Ok(session)
    }

    fn encrypt(self, server: &Ftp) -> Result<Self, Error> {
        let connector = Connector::new(tls::config(server.ca_file.as_deref())?, self.wires.clone());
        let Self {
            ftp,
            flight,
            wires,
            password,
            stall,
        } = self;
        let ftp = ftp
            .into_secure(connector, &server.host)
            .map_err(|error| translate_error("AUTH", error, &password, stall))?;
        flight.pulse();
        Ok(Self {
            ftp,
            flight,
            wires,
            password,
            stall,
        })
    }

    fn set_up_data(&mut self, server: &Ftp, is_v6: bool) {
        self.ftp.set_mode(match (server.passive, is_v6) {
            (true, true) => Mode::ExtendedPassive,
            (true, false) => Mode::Passive,
            (false, _) => Mode::Active,
        });
        // Where the control connection goes: the address in the answer may be one behind a NAT, or
        // one of a third party that we are used to attack.
        self.ftp.set_passive_nat_workaround(true);
    }

    /// Servers that know of UTF-8 names may have to be told; all others get them as they are.
    fn speak_utf8(&mut self) -> Result<(), Error> {
        let offers = match self.ask("FEAT", RustlsFtpStream::feat) {
            Ok(offers) => offers,
            Err(Error::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        if !offers.contains_key("UTF8") {
            return Ok(());
        }
        match self.ask("OPTS", |ftp| ftp.opts("UTF8", Some("ON"))) {
            // It is always on, then.
            Err(Error::Refused(_)) => Ok(()),
            other => other,
        }
    }

    /// How many bytes the server has of a file; `None`: there is no such file.
    pub(super) fn size(&mut self, name: &str) -> Result<Option<u64>, Error> {
        match self.ask("SIZE", |ftp| ftp.size(name)) {
            Ok(size) => u64::try_from(size)
                .map(Some)
                .map_err(|_| Error::Garbled { to: "SIZE" }),
            Err(Error::Refused(Refusal { code: 550, .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a file; one that is not there counts as deleted.
    pub(super) fn delete(&mut self, name: &str) -> Result<(), Error> {
        match self.ask("DELE", |ftp| ftp.rm(name)) {
            Err(Error::Refused(Refusal { code: 550, .. })) => Ok(()),
            other => other,
        }
    }

    /// Opens the way for the bytes from `at` on; `STOR` puts them there, `APPE` at the end.
    pub(super) fn store(&mut self, name: &str, at: u64, how: Store) -> Result<Data, Error> {
        let offset = usize::try_from(at).map_err(|_| Error::Garbled { to: "SIZE" })?;
        let data = self.ask("STOR", |ftp| match how {
            Store::At => {
                ftp.resume_transfer(offset)?;
                ftp.put_with_stream(name)
            }
            Store::AtEnd => ftp.append_with_stream(name),
        })?;
        self.wires
            .attach(data.get_ref().get_ref())
            .map_err(|error| self.read("STOR", error))?;
        Ok(data)
    }

    /// Ends the data connection, and reads what the server says about it.
    pub(super) fn finish(&mut self, data: Data) -> Result<(), Error> {
        // The other handle on the socket keeps it from closing with this one; TLS says its own
        // good-bye first.
        if let DataStream::Tcp(socket) = data.get_ref() {
            socket.shutdown(Shutdown::Write).ok();
        }
        self.ask("STOR", |_| data.finish())
    }

    /// Gives a file another name. A refusal is certain; anything else leaves it open.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        let first = format!("RNFR {from}");
        self.ask("RNFR", |ftp| {
            ftp.custom_command(first, &[Status::RequestFilePending])
        })?;
        let second = format!("RNTO {to}");
        let renamed = self.ask("RNTO", |ftp| {
            let fine = [Status::RequestedFileActionOk, Status::CommandOk];
            ftp.custom_command(second, &fine)
        });
        match renamed {
            Ok(_) => Ok(()),
            Err(error @ Error::Refused(_)) => Err(error),
            Err(_) => Err(Error::RenameUnclear),
        }
    }

    /// Says good-bye; nothing depends on it any more.
    pub(super) fn quit(mut self) {
        self.ask("QUIT", RustlsFtpStream::quit).ok();
    }

    fn ask<T>(
        &mut self,
        to: &'static str,
        call: impl FnOnce(&mut RustlsFtpStream) -> FtpResult<T>,
    ) -> Result<T, Error> {
        let answer = call(&mut self.ftp).map_err(|error| self.read(to, error));
        self.flight.pulse();
        answer
    }

    fn read(&self, to: &'static str, error: FtpError) -> Error {
        translate_error(to, error, &self.password, self.stall)
    }
}

/// Where the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    /// To their place.
    At,
    /// To the end of what is there.
    AtEnd,
}

/// Connects, and hears the greeting. Also says whether that went by IPv6.
fn connect_server(
    server: &Ftp,
    wires: &Wires,
    stall: Duration,
) -> Result<(RustlsFtpStream, bool), Error> {
    let addresses: Vec<SocketAddr> = (server.host.as_str(), server.port)
        .to_socket_addrs()
        .map_err(Error::Unreachable)?
        .collect();
    let said = |error| translate_error("the connection", error, &server.password, stall);
    let mut last = Error::Unreachable(io::ErrorKind::NotFound.into());
    for address in addresses {
        let socket = match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT.min(stall)) {
            Ok(socket) => socket,
            Err(error) => {
                last = Error::Unreachable(error);
                continue;
            }
        };
        let ftp = if server.tls == Tls::Implicit {
            // The library wants to connect by itself; that it can was seen just now.
            drop(socket);
            let config = tls::config(server.ca_file.as_deref())?;
            let connector = Connector::new(config, wires.clone());
            RustlsFtpStream::connect_secure_implicit(address, connector, &server.host)
        } else {
            wires.attach(&socket).map_err(said)?;
            RustlsFtpStream::connect_with_stream(socket)
        };
        let ftp = ftp.map_err(said)?;
        let wires = wires.clone();
        let ftp = ftp.passive_stream_builder(move |address| {
            let socket = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT.min(stall))
                .map_err(FtpError::ConnectionError)?;
            wires.attach(&socket)?;
            Ok(socket)
        });
        return Ok((ftp, address.is_ipv6()));
    }
    Err(last)
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
