//! The tables of webhooks, as they are.

pub(in crate::storage) mod registered_webhook {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "registered_webhooks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub preset: String,
        pub client_id: String,
        pub event: String,
        pub users: String,
        pub technical_accounts: String,
        pub wanted: bool,
        pub nextcloud_id: Option<i64>,
        pub secret_hash: Option<Vec<u8>>,
        pub created_at: i64,
        pub updated_at: i64,
    }
    no_relations!();
}

pub(in crate::storage) mod webhook_delivery {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "webhook_deliveries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub client_id: String,
        pub preset: String,
        pub grant_of: Option<String>,
        pub event: String,
        pub body: String,
        pub received_at: i64,
        pub attempts: i32,
        pub next_attempt_at: Option<i64>,
        pub last_error: Option<String>,
        pub lease_holder: Option<Vec<u8>>,
        pub lease_until: Option<i64>,
    }
    no_relations!();
}
