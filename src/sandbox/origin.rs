//! Where upload links point to: a scheme and an authority.

use std::net::SocketAddr;

use url::Url;

/// The beginning of every link that is given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// `http` or `https`.
    pub(super) protocol: String,
    /// The host, with the port unless it is the usual one of the protocol.
    pub(super) address: String,
}

impl Origin {
    /// The listener itself, under an address that a client on this machine can reach.
    pub(super) fn local(address: SocketAddr) -> Self {
        let address = if address.ip().is_unspecified() {
            SocketAddr::from(([127, 0, 0, 1], address.port()))
        } else {
            address
        };
        Self {
            protocol: "http".to_owned(),
            address: address.to_string(),
        }
    }

    /// An origin as a user wrote it; nothing where it is more, or less, than one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let known = matches!(url.scheme(), "http" | "https");
        let host = url.host_str().filter(|_| bare && known)?;
        Some(Self {
            protocol: url.scheme().to_owned(),
            // The usual port is left out of the Host header, which links are signed for.
            address: url
                .port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        })
    }

    /// `https://host:port`.
    pub(super) fn text(&self) -> String {
        format!("{}://{}", self.protocol, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_left_out() {
        for (text, protocol, address) in [
            ("https://127.0.0.9", "https", "127.0.0.9"),
            ("https://127.0.0.9:443/", "https", "127.0.0.9"),
            ("http://localhost:8700", "http", "localhost:8700"),
        ] {
            let origin = Origin::read(text).unwrap();
            assert_eq!(
                (origin.protocol.as_str(), origin.address.as_str()),
                (protocol, address)
            );
        }
    }

    #[test]
    fn what_is_more_than_an_origin_is_none() {
        for text in [
            "127.0.0.9",
            "ftp://127.0.0.9",
            "https://h/path",
            "https://h?q",
            "https://user@h",
            "",
        ] {
            assert_eq!(Origin::read(text), None, "{text}");
        }
    }
}
