//! Our own access tokens, presented back to us as subject, as actor or to be revoked.

use std::sync::{Arc, PoisonError, RwLock};

use broker_client::ambient::Clock;
use broker_client::keys::KeySource;
use broker_client::verify::{AccessTokenVerifier, Claims, VerifyError};

use crate::domain::Catalog;
use crate::live::CatalogHandle;
use crate::metrics::Metrics;

/// Verifies our own access tokens, for whichever of our resources they are.
pub struct AccessTokens {
    issuer: String,
    catalog: CatalogHandle,
    keys: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// A verifier knows its audiences from the start, so there is one for each catalog.
    verifier: RwLock<(Arc<Catalog>, AccessTokenVerifier)>,
}

impl AccessTokens {
    /// For tokens of `issuer` for the resources of `catalog`.
    #[must_use]
    pub fn new(
        issuer: String,
        catalog: CatalogHandle,
        keys: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        let current = catalog.current();
        let verifier = verifier(&issuer, &current, &keys, &clock);
        Self {
            issuer,
            catalog,
            keys,
            clock,
            metrics,
            verifier: RwLock::new((current, verifier)),
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// The first rule that the token breaks; [`VerifyError::Keys`] says nothing about the token.
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>, VerifyError> {
        let verified = self.current().verify(token).await;
        if let Err(error) = &verified {
            self.metrics.token_rejected(error);
        }
        verified
    }

    fn current(&self) -> AccessTokenVerifier {
        let catalog = self.catalog.current();
        {
            let held = self.verifier.read();
            let (of, verifier) = &*held.unwrap_or_else(PoisonError::into_inner);
            if Arc::ptr_eq(of, &catalog) {
                return verifier.clone();
            }
        }
        let new = verifier(&self.issuer, &catalog, &self.keys, &self.clock);
        let mut held = self
            .verifier
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *held = (catalog, new.clone());
        new
    }
}

fn verifier(
    issuer: &str,
    catalog: &Catalog,
    keys: &Arc<dyn KeySource>,
    clock: &Arc<dyn Clock>,
) -> AccessTokenVerifier {
    let audiences = catalog
        .resources()
        .iter()
        .map(|resource| resource.id.to_string())
        .collect();
    AccessTokenVerifier::new(issuer, audiences, Arc::clone(keys), Arc::clone(clock))
}
