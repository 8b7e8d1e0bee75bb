//! sea-orm entities, private to storage.
