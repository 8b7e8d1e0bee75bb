//! What the whitelist asks of the database: a client ends with all that it began.

use broker::domain::{Authorization, EndReason, Stage};

use super::database::Database;
use super::on_both;
use super::values::{at, authorization, client, grant, hash, subject};

on_both! {
    what_a_client_began_ends_with_it_and_nothing_else
    a_deleted_client_is_heard_of_until_it_is_registered_anew
}

async fn what_a_client_began_ends_with_it_and_nothing_else(database: Database) {
    let store = database.open().await;
    let now = at(100);
    let mut ended = Vec::new();
    for (id, owner) in [("of-it", "client"), ("of-another", "other")] {
        let mut session = grant(id);
        session.client_id = client(owner).id;
        session.created_at = at(0);
        session.expires_at = at(1000);
        store.insert_grant(&session).await.unwrap();
        ended.push(session.id);
    }
    let mut gone = grant("expired");
    gone.client_id = client("client").id;
    gone.expires_at = at(50);
    store.insert_grant(&gone).await.unwrap();
    let mut stages = Vec::new();
    for (id, stage) in [
        ("consent", Stage::AwaitingConsent),
        ("login", Stage::AwaitingLogin),
        ("known", Stage::AwaitingKnownUser),
        (
            "code",
            Stage::Approved {
                sub: subject("alice"),
                code: hash(9),
                code_expires_at: at(500),
            },
        ),
        ("denied", Stage::Denied),
    ] {
        let login = Authorization {
            stage,
            client_id: client("client").id,
            ..authorization(id)
        };
        store.insert_authorization(&login).await.unwrap();
        stages.push(login.id);
    }

    let counted = store
        .end_all_of_client(&client("client").id, EndReason::ClientBlocked, now)
        .await
        .unwrap();

    assert_eq!((counted.grants, counted.logins), (1, 4));
    for id in &stages {
        let login = store.authorization(id).await.unwrap().unwrap();
        assert_eq!(login.stage, Stage::Denied, "{id}");
    }
    assert!(
        store
            .authorization_by_code(&hash(9))
            .await
            .unwrap()
            .is_none()
    );
    let reason = async |id| store.grant(id).await.unwrap().unwrap().ended;
    assert_eq!(
        reason(&ended[0]).await,
        Some((now, EndReason::ClientBlocked))
    );
    assert_eq!(reason(&ended[1]).await, None);
    assert_eq!(reason(&gone.id).await, None, "it was over before");
}

async fn a_deleted_client_is_heard_of_until_it_is_registered_anew(database: Database) {
    let store = database.open().await;
    let gone = client("gone");
    store.insert_client(&gone).await.unwrap();
    assert!(
        !store
            .delete_client(&gone.id, gone.version + 1, at(5))
            .await
            .unwrap()
    );
    let heard = async |since| store.clients_deleted_since(at(since)).await.unwrap();
    assert_eq!(heard(0).await, []);
    assert!(
        store
            .delete_client(&gone.id, gone.version, at(5))
            .await
            .unwrap()
    );
    assert!(
        !store
            .delete_client(&gone.id, gone.version, at(6))
            .await
            .unwrap()
    );
    assert_eq!(heard(5).await, std::slice::from_ref(&gone.id));
    assert_eq!(heard(6).await, []);
    store.insert_client(&gone).await.unwrap();
    assert_eq!(heard(0).await, []);
    assert!(
        store
            .delete_client(&gone.id, gone.version, at(7))
            .await
            .unwrap()
    );
    assert_eq!(heard(6).await, [gone.id]);
}
