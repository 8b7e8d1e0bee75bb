//! "It asks me to log in again: why?" What an administrator reads of it, in the way that
//! `docs/operations.md` tells him.

use std::time::Duration;

use broker::domain::EndReason;
use serde_json::Value;

use crate::administrator::Administrator;
use crate::harness::{AGENT, Answer, Broker, Tokens, alice};

/// What he sees of the user's newest session, and of the last thing that was refused to its client.
struct Seen {
    session: Value,
    refusal: Value,
}

async fn look(admin: &Administrator<'_>) -> Seen {
    let users = admin.all("users?nextcloud_uid=alice").await;
    let [user] = users.try_into().unwrap();
    let sub = user["sub"].as_str().unwrap();
    assert_eq!(sub, alice().as_str());
    let sessions = admin.all(&format!("grants?sub={sub}&ended=true")).await;
    let rows = admin.all(&format!("audit?client_id={AGENT}")).await;
    let refusal = rows.into_iter().find(|row| row["outcome"] == "refused");
    Seen {
        session: sessions.into_iter().next().unwrap(),
        refusal: refusal.unwrap(),
    }
}

async fn refused(broker: &Broker, session: &Tokens) -> Answer {
    let answer = broker.refresh(&session.refresh).await;
    assert!(answer.status.is_client_error(), "{}", answer.body);
    answer
}

#[tokio::test]
async fn the_refusal_says_what_the_caller_was_told_and_how_the_session_ended() {
    let day = Duration::from_hours(24);
    for way in ["signed out", "administrator", "too old", "idle", "unknown"] {
        let broker = Broker::start().await;
        let admin = Administrator::new(&broker).await;
        let mut session = broker.session().await;
        let ended = match way {
            "signed out" => {
                let fields = [("token", session.refresh.as_str()), ("client_id", AGENT)];
                assert_eq!(broker.post("/oauth/revoke", &fields).await.status, 200);
                Some(EndReason::Revoked.as_str())
            }
            "administrator" => {
                let [live] = admin.all("grants").await.try_into().unwrap();
                let id = live["grant_id"].as_str().unwrap();
                admin.post(&format!("grants/{id}/revoke")).await;
                Some(EndReason::Administrator.as_str())
            }
            "too old" => {
                for _ in 0..4 {
                    broker.advance(20 * day).await;
                    session = broker.refresh(&session.refresh).await.tokens();
                }
                broker.advance(10 * day).await;
                Some("max_age")
            }
            "idle" => {
                broker.advance(30 * day).await;
                None
            }
            _ => {
                "AAAA".clone_into(&mut session.refresh);
                None
            }
        };
        let told = refused(&broker, &session).await.json();

        let Seen { session, refusal } = look(&admin).await;
        assert_eq!(refusal["event"], "token.refused", "{way}");
        assert_eq!(refusal["error"], "invalid_grant", "{way}");
        let details = &refusal["details"];
        assert_eq!(
            details["description"], told["error_description"],
            "{way}: {details}"
        );
        assert_eq!(details["ended"].as_str(), ended, "{way}: {details}");
        if way == "unknown" {
            assert!(refusal["sub"].is_null(), "nobody knows whose it was");
        } else {
            assert_eq!(refusal["sub"], alice().as_str(), "{way}");
            assert_eq!(refusal["grant_id"], session["grant_id"], "{way}");
        }
        let reason = session["end_reason"].as_str();
        assert_eq!(reason, ended.filter(|why| *why != "max_age"), "{way}");
    }
}

#[tokio::test]
async fn a_stolen_token_and_a_blocked_client_are_told_apart() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let first = broker.session().await;
    let second = broker.refresh(&first.refresh).await.tokens();
    broker.refresh(&second.refresh).await.tokens();
    refused(&broker, &first).await;
    let seen = look(&admin).await;
    assert_eq!(seen.refusal["event"], "refresh.reused");
    assert_eq!(seen.session["end_reason"], "refresh_reused");

    let broker = Broker::start().await;
    let session = broker.session().await;
    let admin = Administrator::new(&broker).await;
    admin.post(&format!("clients/{AGENT}/block")).await;
    refused(&broker, &session).await;
    let seen = look(&admin).await;
    assert_eq!(seen.refusal["error"], "unauthorized_client");
    assert_eq!(seen.session["end_reason"], "client_blocked");
    let blocked = admin.all("audit?event=client.blocked").await;
    assert_eq!(blocked[0]["client_id"], AGENT);
}

#[test]
fn the_manual_knows_every_reason() {
    let manual = include_str!("../../../docs/operations.md");
    let (_, section) = manual.split_once("log in again: why?").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for reason in EndReason::ALL {
        let word = format!("`{}`", reason.as_str());
        assert!(section.contains(&word), "{word} is not explained");
    }
}
