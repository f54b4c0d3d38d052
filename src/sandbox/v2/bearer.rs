//! Who asks: the site's secret, or for an upload its own token (JW docs, v2 authentication and
//! multipart uploads).
//!
//! An upload token is a JWT, signed with the secret of the S3 side: nothing has to be remembered of
//! it, and a client can read in it when it expires.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Route;
use super::error::Wrong;
use crate::sandbox::Sandbox;

/// What an upload token says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    /// The upload.
    sub: String,
    /// UNIX seconds.
    exp: i64,
}

/// The bearer of a request.
pub(super) fn read(headers: &HeaderMap) -> Result<&str, Wrong> {
    let value = headers.get(header::AUTHORIZATION);
    let text = value.and_then(|value| value.to_str().ok());
    text.and_then(|text| text.strip_prefix("Bearer "))
        .filter(|bearer| !bearer.is_empty())
        .ok_or_else(Wrong::anonymous)
}

/// Whether that bearer may use that route.
pub(super) fn check(sandbox: &Sandbox, bearer: &str, route: &Route<'_>) -> Result<(), Wrong> {
    match route {
        Route::All { site }
        | Route::One { site, .. }
        | Route::Reupload { site, .. }
        | Route::Originals { site, .. } => {
            if bearer != sandbox.options.v2_secret {
                return Err(Wrong::forbidden("the secret is not valid"));
            }
            if *site != sandbox.options.site {
                return Err(Wrong::not_found("there is no such site"));
            }
        }
        Route::Parts { upload } | Route::Complete { upload } => {
            let secret = &sandbox.store.keys().secret;
            let claims = verify(bearer, secret)
                .filter(|claims| claims.sub == *upload)
                .ok_or_else(|| Wrong::forbidden("the upload token is not valid"))?;
            if sandbox.now_s() > claims.exp {
                return Err(Wrong::forbidden("the upload token has expired"));
            }
        }
    }
    Ok(())
}

/// A token for an upload, until `expires` (UNIX seconds).
pub(super) fn issue(sandbox: &Sandbox, upload: &str, expires: i64) -> String {
    let claims = Claims {
        sub: upload.to_owned(),
        exp: expires,
    };
    token(&claims, &sandbox.store.keys().secret)
}

fn token(claims: &Claims, secret: &str) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    // Two plain fields are always writable as JSON.
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
    let signed = format!("{head}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(mac(&signed, secret));
    format!("{signed}.{signature}")
}

fn verify(token: &str, secret: &str) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (_, claims) = signed.split_once('.')?;
    let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if given != mac(signed, secret) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn mac(text: &str, secret: &str) -> Vec<u8> {
    // An HMAC takes a key of any length, so there is always one.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return Vec::new();
    };
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_token_is_good_as_it_was_given_and_in_no_other_way() {
        let claims = || Claims {
            sub: "upload".to_owned(),
            exp: 7,
        };
        let token = token(&claims(), "secret");
        assert_eq!(verify(&token, "secret"), Some(claims()));
        assert_eq!(verify(&token, "other"), None);
        let forged = URL_SAFE_NO_PAD.encode(r#"{"sub":"upload","exp":999}"#);
        let pieces: Vec<&str> = token.split('.').collect();
        let forged = format!("{}.{forged}.{}", pieces[0], pieces[2]);
        assert_eq!(verify(&forged, "secret"), None);
        for text in ["", ".", "a.b", "a.b.c"] {
            assert_eq!(verify(text, "secret"), None, "{text}");
        }
    }

    #[test]
    fn only_a_bearer_is_one() {
        let found = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            read(&headers).map(str::to_owned).ok()
        };
        assert_eq!(found("Bearer x"), Some("x".to_owned()));
        for value in ["x", "Bearer ", "Basic x", "bearer x", ""] {
            assert_eq!(found(value), None, "{value}");
        }
    }
}
