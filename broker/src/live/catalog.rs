//! The catalog in force: one value for the whole process, exchanged when a resource changes.

use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::{Catalog, Resource};

/// Where the catalog is looked up. Cheap to clone; all clones see the same.
///
/// A request takes [`CatalogHandle::current`] once, so that everything in it is decided on one
/// catalog.
#[derive(Debug, Clone, Default)]
pub struct CatalogHandle {
    current: Arc<RwLock<Arc<Catalog>>>,
}

impl CatalogHandle {
    /// A handle on this catalog.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        Self {
            current: Arc::new(RwLock::new(Arc::new(catalog))),
        }
    }

    /// The catalog as it now is.
    #[must_use]
    pub fn current(&self) -> Arc<Catalog> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other resources in force.
    pub(super) fn replace_resources(&self, resources: Vec<Resource>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(Catalog::new(resources, current.downstreams().to_vec()));
    }
}
