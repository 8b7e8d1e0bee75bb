//! The tables beside `users` that the account watch and logouts need, as they are.

#[expect(
    unreachable_pub,
    reason = "the derives ask for it; no domain value is made of such a row"
)]
pub(in crate::storage) mod upstream_session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "upstream_sessions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sub: String,
        pub expires_at: i64,
    }
    no_relations!();
}

#[expect(
    unreachable_pub,
    reason = "the derives ask for it; no domain value is made of such a row"
)]
pub(in crate::storage) mod lease {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "leases")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub holder: Vec<u8>,
        pub until: i64,
    }
    no_relations!();
}
