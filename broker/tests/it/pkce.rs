//! PKCE at the authorization endpoint (RFC 7636, OAuth 2.1 §4.1.1): required, S256 only.

use crate::browser::{Browser, authorize_path, broker_and_idp};
use crate::harness::{CHALLENGE, VERIFIER};

#[tokio::test]
async fn without_a_good_s256_challenge_nothing_begins() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let long = format!("{CHALLENGE}A");
    let padded = format!("{}=", &CHALLENGE[..42]);
    for changes in [
        // Missing.
        &[("code_challenge", "")][..],
        &[("code_challenge", ""), ("code_challenge_method", "")],
        // `plain`, said or implied (RFC 7636 §4.3), or in other letters.
        &[
            ("code_challenge_method", "plain"),
            ("code_challenge", VERIFIER),
        ],
        &[("code_challenge_method", "")],
        &[("code_challenge_method", "s256")],
        &[("code_challenge_method", "S512")],
        // No SHA-256 digest in base64url.
        &[("code_challenge", &CHALLENGE[..42])],
        &[("code_challenge", &long)],
        &[("code_challenge", &padded)],
        &[("code_challenge", &CHALLENGE.replace('-', "+"))],
    ] {
        let answer = browser.get(&authorize_path(changes)).await;
        answer.assert_error_at_client("invalid_request");
    }
    assert!(browser.cookies().is_empty());
}

#[tokio::test]
async fn the_code_is_bound_to_the_challenge_of_its_request() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let answer = browser.log_in(&idp, &[]).await;
    let other = VERIFIER.replace('d', "e");
    let refused = broker
        .redeem_with(&answer.code(), &[("code_verifier", &other)])
        .await;
    refused.assert_refused(400, "invalid_grant");
}
