//! The S3 side's signature: AWS signature version 2 in the query string (AWS docs, "Signing and
//! authenticating REST requests", query string authentication alternative).

use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Everything of a request that the signature covers.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// The `Content-MD5` header, or nothing.
    pub(super) content_md5: &'a str,
    /// The `Content-Type` header, or nothing.
    pub(super) content_type: &'a str,
    /// The `Expires` parameter, as sent.
    pub(super) expires: &'a str,
    /// As [`amz_headers`] makes it.
    pub(super) amz_headers: &'a str,
    /// The path, with the sub-resources of the query.
    pub(super) resource: &'a str,
}

impl Request<'_> {
    /// The text that is signed.
    pub(super) fn to_sign(&self) -> String {
        format!(
            "{}\n{}\n{}\n{}\n{}{}",
            self.method,
            self.content_md5,
            self.content_type,
            self.expires,
            self.amz_headers,
            self.resource
        )
    }

    /// The signature in base64.
    pub(super) fn signature(&self, secret: &str) -> String {
        // An HMAC takes a key of any length, so there is always one.
        let Ok(mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
            return String::new();
        };
        STANDARD.encode(mac.chain_update(self.to_sign()).finalize().into_bytes())
    }
}

/// All `x-amz-` headers: lower case, sorted, values of one name joined by commas, one a line.
pub(super) fn amz_headers(headers: &HeaderMap) -> String {
    let mut names: Vec<&str> = headers
        .keys()
        .map(HeaderName::as_str)
        .filter(|n| n.starts_with("x-amz-"))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut lines = String::new();
    for name in names {
        let values = headers.get_all(name).iter();
        let values: Vec<String> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
            .collect();
        lines.extend([name, ":", &values.join(","), "\n"]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(content_type: &str, content_md5: &str, amz_headers: &str) -> String {
        // The sample keys of AWS's documentation.
        Request {
            method: "PUT",
            content_md5,
            content_type,
            expires: "1482770374",
            amz_headers,
            resource: "/jwplatform-upload/tL17msiU",
        }
        .signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    }

    #[test]
    fn vectors_made_by_awss_own_library_are_met() {
        assert_eq!(signature("", "", ""), "JwamgZkINU6qmiCJSgzySGwQeAI=");
        assert_eq!(
            signature("video/mp4", "", ""),
            "0po1CI14yOD/1yW/Ad4Vq2nn7Pc="
        );
    }

    #[test]
    fn every_header_that_is_covered_changes_it() {
        let plain = signature("", "", "");
        assert_ne!(plain, signature("", "kAFQmDzST7DWlj99KOF/cg==", ""));
        assert_ne!(plain, signature("", "", "x-amz-acl:private\n"));
    }

    #[test]
    fn amazon_headers_are_sorted_and_joined() {
        let mut headers = HeaderMap::new();
        headers.append("X-Amz-Meta-B", "2".parse().unwrap());
        headers.append("x-amz-meta-b", " 3".parse().unwrap());
        headers.append("x-amz-acl", "private".parse().unwrap());
        headers.append("content-type", "video/mp4".parse().unwrap());
        assert_eq!(
            amz_headers(&headers),
            "x-amz-acl:private\nx-amz-meta-b:2,3\n"
        );
    }
}
