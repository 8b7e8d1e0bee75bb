//! sea-orm entities, private to storage: the tables as they are, column by column.
//!
//! What the columns mean is said in `migrations`; turning a row into a domain value is the work of
//! the file of that aggregate.

macro_rules! no_relations {
    () => {
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}

mod accounts;

pub(super) use accounts::{lease, upstream_session};

pub(super) mod webhooks;

pub(super) mod client {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "clients")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub status: String,
        pub name: Option<String>,
        pub redirect_uris: String,
        pub grant_types: String,
        pub auth_method: String,
        pub secret_hashes: Vec<u8>,
        pub secrets_expire_at: String,
        pub scope: Option<String>,
        pub serves: String,
        pub exchange: String,
        pub background: bool,
        pub metadata: String,
        pub registration_token_hash: Option<Vec<u8>>,
        pub created_at: i64,
        pub updated_at: i64,
        pub version: i64,
    }
    no_relations!();
}

pub(super) mod client_document {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_documents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub client_id: String,
        pub fetched_at: i64,
        pub fresh_until: i64,
    }
    no_relations!();
}

pub(super) mod client_seed {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_seeds")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub client_id: String,
        pub version: i64,
        pub configured: bool,
    }
    no_relations!();
}

#[expect(
    unreachable_pub,
    reason = "the derives ask for it; no domain value is made of such a row"
)]
pub(super) mod client_deletion {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_deletions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub client_id: String,
        pub deleted_at: i64,
    }
    no_relations!();
}

#[expect(
    unreachable_pub,
    reason = "the derives ask for it; no domain value is made of such a row"
)]
pub(super) mod client_use {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_uses")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub client_id: String,
        pub last_used_at: i64,
    }
    no_relations!();
}

pub(super) mod registration_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "registration_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub hash: Vec<u8>,
        pub created_at: i64,
        pub expires_at: Option<i64>,
        pub most_uses: Option<i64>,
        pub uses: i64,
    }
    no_relations!();
}

#[expect(
    unreachable_pub,
    reason = "the derives ask for it; no domain value is made of such a row"
)]
pub(super) mod registration_attempt {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "registration_attempts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub address: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub since: i64,
        pub attempts: i64,
    }
    no_relations!();
}

#[expect(
    unreachable_pub,
    reason = "the derives ask for it; no domain value is made of such a row"
)]
pub(super) mod client_assertion {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_assertions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub expires_at: i64,
    }
    no_relations!();
}

pub(super) mod resource {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "resources")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub aliases: String,
        pub scopes: String,
        pub default_scopes: String,
        pub downstreams: String,
        pub is_default: bool,
        pub seeded_version: Option<i64>,
        pub created_at: i64,
        pub updated_at: i64,
        pub version: i64,
    }
    no_relations!();
}

#[expect(
    unreachable_pub,
    reason = "the derives ask for it; no domain value is made of such a row"
)]
pub(super) mod catalog_version {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "catalog_versions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub version: i64,
    }
    no_relations!();
}

pub(super) mod user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sub: String,
        pub upstream_issuer: String,
        pub upstream_subject: String,
        pub nextcloud_uid: Option<String>,
        pub name: Option<String>,
        pub created_at: i64,
        pub last_login_at: i64,
        pub account_checked_at: i64,
        pub account_seen_uid: Option<String>,
        pub account_ended_at: Option<i64>,
    }
    no_relations!();
}

pub(super) mod authorization {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "authorizations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub client_id: String,
        pub redirect_uri: String,
        pub state: Option<String>,
        pub scope: String,
        pub resource: String,
        pub code_challenge: String,
        pub browser_hash: Vec<u8>,
        pub created_at: i64,
        pub expires_at: i64,
        pub stage: String,
        pub sub: Option<String>,
        pub code_hash: Option<Vec<u8>>,
        pub code_expires_at: Option<i64>,
        pub grant_id: Option<String>,
    }
    no_relations!();
}

pub(super) mod grant {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "grants")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub sub: String,
        pub client_id: String,
        pub resource: String,
        pub scope: String,
        pub created_at: i64,
        pub expires_at: i64,
        pub ended_at: Option<i64>,
        pub end_reason: Option<String>,
    }
    no_relations!();
}

pub(super) mod consent {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "consents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub sub: String,
        pub client_id: String,
        pub redirect_uri: String,
        pub resource: String,
        pub scope: String,
        pub client_hash: Vec<u8>,
        pub given_at: i64,
        pub expires_at: i64,
    }
    no_relations!();
}

pub(super) mod browser {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "browsers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub sub: String,
        pub expires_at: i64,
    }
    no_relations!();
}

pub(super) mod refresh_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "refresh_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub grant_id: String,
        pub issued_at: i64,
        pub expires_at: i64,
        pub spent_at: Option<i64>,
        pub salt: Option<Vec<u8>>,
        pub successor_hash: Option<Vec<u8>>,
    }
    no_relations!();
}

pub(super) mod upstream_tokens {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "upstream_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub flow: String,
        pub sub: String,
        pub grant_id: Option<String>,
        pub access_token: Vec<u8>,
        pub refresh_token: Option<Vec<u8>>,
        pub expires_at: Option<i64>,
        pub renew_at: Option<i64>,
        pub keep_until: i64,
        pub version: i64,
        pub lease_holder: Option<Vec<u8>>,
        pub lease_until: Option<i64>,
    }
    no_relations!();
}

pub(super) mod offline_grant {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "offline_grants")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub sub: String,
        pub downstream: String,
        pub scope: String,
        pub granted_at: i64,
        pub withdrawn_at: Option<i64>,
        pub failing_since: Option<i64>,
        pub failing_reason: Option<String>,
    }
    no_relations!();
}

pub(super) mod offline_request {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "offline_requests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub sub: String,
        pub downstream: String,
        pub scope: String,
        pub expires_at: i64,
        pub answered_at: Option<i64>,
    }
    no_relations!();
}

pub(super) mod offline_tokens {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "offline_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub offline_grant: String,
        pub sub: String,
        pub access_token: Vec<u8>,
        pub refresh_token: Vec<u8>,
        pub expires_at: Option<i64>,
        pub renew_at: Option<i64>,
        pub version: i64,
        pub lease_holder: Option<Vec<u8>>,
        pub lease_until: Option<i64>,
    }
    no_relations!();
}

pub(super) mod account_session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "account_sessions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub sub: String,
        pub expires_at: i64,
    }
    no_relations!();
}

pub(super) mod signing_key {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "signing_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub kid: String,
        pub algorithm: String,
        pub private_key: Vec<u8>,
        pub sealed: bool,
        pub public_jwk: String,
        pub state: String,
        pub published_at: i64,
        pub activate_at: Option<i64>,
        pub activated_at: Option<i64>,
        pub retired_at: Option<i64>,
    }
    no_relations!();
}

pub(super) mod audit_event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_events")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub at: i64,
        pub event: String,
        pub outcome: String,
        pub error: Option<String>,
        pub actor_kind: String,
        pub actor_id: Option<String>,
        pub sub: Option<String>,
        pub client_id: Option<String>,
        pub resource: Option<String>,
        pub downstream: Option<String>,
        pub tool: Option<String>,
        pub scope: Option<String>,
        pub grant_id: Option<String>,
        pub request_id: Option<String>,
        pub trace_id: Option<String>,
        pub address: Option<String>,
        pub details: String,
    }
    no_relations!();
}

pub(super) mod audit_seal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_seals")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i64,
        pub event_id: i64,
        pub hash: Vec<u8>,
        pub keyed: bool,
    }
    no_relations!();
}

pub(super) mod admin_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "admin_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub hash: Vec<u8>,
        pub role: String,
        pub created_at: i64,
        pub last_used_at: Option<i64>,
    }
    no_relations!();
}
