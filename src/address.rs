//! Which hosts only the own machine or network can reach: the platform, out on the Internet, can
//! fetch nothing from there, and a dropped file must not make anything look there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The host of a URL if by its text alone it is not on the Internet: an address that is no public
/// one, or a name for this machine or for one of the own network. What other names mean only a look-up tells.
///
/// Other ways to write an IPv4 address (decimal, octal, hexadecimal, short) were made plain when
/// the URL was parsed.
pub(crate) fn private_host(url: &Url) -> Option<String> {
    let is_private = match url.host()? {
        Host::Ipv4(address) => !is_public(IpAddr::V4(address)),
        Host::Ipv6(address) => !is_public(IpAddr::V6(address)),
        Host::Domain(name) => is_of_own_network(name),
    };
    is_private.then(|| host(url))
}

/// The host of a URL, for messages: all of a URL that may be shown, as the rest may hold a
/// signature or a name that must stay hidden.
pub(crate) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// A server's words with each web address in them cut down to its host.
pub(crate) fn hosts_only(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = web_address(rest) {
        let (before, from) = rest.split_at(at);
        let is_end = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
        let (found, after) = from.split_at(from.find(is_end).unwrap_or(from.len()));
        let host = Url::parse(found).map_or_else(|_| String::new(), |url| host(&url));
        let scheme = found.split(':').next().unwrap_or_default();
        shown.extend([before, scheme, "://", &host, "/…"]);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// A server's words without those of the credential that was sent to it: its signature, token, or
/// session may be repeated outside of an address.
pub(crate) fn without_words_of(credential: &str, text: &str) -> String {
    // Shorter ones are no secret: names of fields, numbers, the host's labels.
    let words = credential.split(|c: char| !(c.is_alphanumeric() || "-_.%+/=~".contains(c)));
    let words = words.flat_map(|word| [word, word.rsplit(['=', '/']).next().unwrap_or(word)]);
    let mut words: Vec<_> = words.filter(|word| word.len() >= SHORTEST_SECRET).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
        .into_iter()
        .fold(text.to_owned(), |text, word| text.replace(word, "…"))
}

/// Characters of the shortest word of a link that is taken for a secret.
const SHORTEST_SECRET: usize = 16;

/// Where the next web address begins.
fn web_address(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let places = ["http://", "https://"].map(|begin| lower.find(begin));
    places.into_iter().flatten().min()
}

/// Names that mean this machine in the usual `/etc/hosts`.
const THIS_MACHINE: [&str; 4] = ["localhost4", "localhost6", "ip6-localhost", "ip6-loopback"];

/// Top-level names that no public name server knows, with all that ends in them: of this machine (RFC 6761, and
/// `localhost.localdomain`), of the own network (mDNS, RFC 6762; ICANN's `internal`; RFC 8375; routers).
const OWN_NETWORK: [&str; 8] = [
    "localhost",
    "localdomain",
    "localdomain4",
    "localdomain6",
    "local",
    "internal",
    "home.arpa",
    "lan",
];

/// Whether a name means a place in your own network, even if a look-up says otherwise.
fn is_of_own_network(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let ends_in = |suffix: &str| {
        let before = name.strip_suffix(suffix);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    THIS_MACHINE.contains(&name.as_str()) || OWN_NETWORK.into_iter().any(ends_in)
}

/// Whether an address is one of the Internet's, for one host (IANA's special-purpose registries).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    match (first, second, third) {
        // "This network", private, loopback, link-local; multicast, reserved, broadcast.
        (0 | 10 | 127 | 224.., ..)
        | (192, 168, _)
        | (169, 254, _)
        // Protocols (RFC 6890), documentation (RFC 5737).
        | (192, 0, 0 | 2)
        | (198, 51, 100)
        | (203, 0, 113) => false,
        (172, _, _) => !(16..=31).contains(&second),
        // Carrier-grade NAT (RFC 6598).
        (100, _, _) => !(64..=127).contains(&second),
        // Benchmarks (RFC 2544).
        (198, _, _) => !(18..=19).contains(&second),
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [first, second, ..] = segments;
    // Addresses that stand for an IPv4 one: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
    let within = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            within(high, low)
        }
        [0x2002, high, low, ..] => within(high, low),
        // Protocols with Teredo among them (RFC 2928), and documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1ff | 0xdb8, ..] => false,
        _ if first == 0x3fff && second < 0x1000 => false,
        // Of the rest, only global unicast addresses are public (RFC 4291).
        _ => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_of_a_credential_is_left_out() {
        let link = "1482770374 https://s3.example/videos/aTokenOfThePath01?Signature=0aF%2B0123456789abc&Expires=1 kwJei9j2-session_0001";
        for (said, shown) in [
            ("no session kwJei9j2-session_0001 here", "no session … here"),
            ("bad 0aF%2B0123456789abc", "bad …"),
            ("aTokenOfThePath01: gone", "…: gone"),
            ("Expires is over (HTTP 403)", "Expires is over (HTTP 403)"),
        ] {
            assert_eq!(without_words_of(link, said), shown);
        }
    }

    fn private(url: &str) -> bool {
        private_host(&Url::parse(url).expect(url)).is_some()
    }

    #[test]
    fn what_only_the_own_network_reaches_is_private_however_it_is_written() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "localhost.localdomain",
            "localhost6.localdomain6",
            "localhost4",
            "ip6-localhost",
            "IP6-LOOPBACK.",
            "nas.local",
            "media.dept.internal.",
            "tv.home.arpa",
            "Storage.LAN",
            "127.0.0.1",
            "127.1",
            "127.255.255.254",
            "2130706433",
            "017700000001",
            "0x7f.0.0.1",
            "0x7f000001",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "3232235777",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "198.19.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::127.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001:0:1::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[ff02::1]",
            "[100::1]",
        ] {
            assert!(private(&format!("http://{host}:8080/a")), "{host}");
        }
    }

    #[test]
    fn what_the_internet_reaches_is_not() {
        for host in [
            "media.example.org",
            "localhost.example.org",
            "notlocalhost",
            "lan.example.org",
            "local.example.org",
            "mylan",
            "atlan",
            "home.example.arpa",
            "internal-media.example.org",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "223.255.255.255",
            "[2606:4700::1]",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::8.8.8.8]",
            "[2002:808:808::1]",
            "[2001:200::1]",
            "[3fff:1000::1]",
        ] {
            assert!(!private(&format!("https://{host}/a")), "{host}");
        }
    }

    #[test]
    fn a_message_gets_the_host_and_nothing_else() {
        let url = Url::parse("https://media.example.org:8443/a/b?Signature=SECRET").unwrap();
        assert_eq!(host(&url), "media.example.org");
    }

    #[test]
    fn what_a_server_says_of_an_address_is_cut_to_the_host() {
        for (said, shown) in [
            ("", ""),
            ("no address", "no address"),
            (
                "Could not get https://m.example/a.mp4?Signature=SECRET: 404",
                "Could not get https://m.example/… 404",
            ),
            (
                "\"HTTP://u:SECRET@m.example/\" and 'https://n.example'",
                "\"HTTP://m.example/…\" and 'https://n.example/…'",
            ),
            ("at https://[SECRET", "at https:///…"),
            ("Ünï https://m.example/é", "Ünï https://m.example/…"),
        ] {
            assert_eq!(hosts_only(said), shown);
        }
    }
}
