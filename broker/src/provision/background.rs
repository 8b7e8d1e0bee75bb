//! `/oauth/authorize-nextcloud`: the user lets background jobs act for him while he is away; and
//! withdrawing it.

use broker_client::oauth::{ErrorCode, Scope};
use url::Url;

use super::{Notice, Provision, ProvisionError, SignedIn};
use crate::domain::{
    AuditEvent, AuditKind, Catalog, Downstream, DownstreamName, OfflineGrant, OfflineGrantId,
    OfflineState, Outcome, RequestInfo, Subject,
};
use crate::storage::Transaction;

/// What a link asks.
#[derive(Debug, Default)]
pub struct Link {
    /// For which downstream; the only one, when it names none.
    pub downstream: Option<String>,
    /// Which scopes; all that mean something there, when it names none.
    pub scope: Option<String>,
    /// The user it was made for. Only he can follow it; it makes nobody anybody.
    pub user: Option<String>,
}

/// What is asked, checked.
pub struct Asked {
    pub(super) downstream: DownstreamName,
    pub(super) scope: Scope,
    /// Whether the IdP has to be asked too.
    is_at_provider: bool,
}

/// What became of a user's yes.
pub enum Allowed {
    /// It counts.
    Now,
    /// It counts when he has said it at the IdP as well, where this leads.
    AtProvider(Url),
}

/// What the page asks.
pub struct AskedPage {
    /// The downstream's name.
    pub downstream: String,
    /// Each scope with its meaning in plain words.
    pub scopes: Vec<(String, String)>,
    /// The scopes, for the form.
    pub scope: String,
    /// The user's account there.
    pub account: String,
    /// The host at which he will be asked once more, where that is so.
    pub provider: Option<String>,
    /// The form token.
    pub csrf: String,
}

/// Background access at one downstream.
#[derive(Debug)]
pub struct BackgroundAccess {
    /// The downstream's name.
    pub downstream: String,
    /// Where it stands.
    pub state: OfflineState,
    /// What is allowed, while it stands.
    pub scope: String,
    /// The day of what the state says.
    pub since: String,
}

impl BackgroundAccess {
    /// Whether background jobs may act.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == OfflineState::Active
    }

    /// Whether there is something to withdraw.
    #[must_use]
    pub fn stands(&self) -> bool {
        matches!(self.state, OfflineState::Active | OfflineState::Failing)
    }

    /// Whether it was withdrawn.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.state == OfflineState::Withdrawn
    }

    /// Whether the user is on his way to allow it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.state == OfflineState::Pending
    }
}

impl Provision {
    /// What a link asks, whoever follows it.
    ///
    /// # Errors
    /// [`Notice::NotOffered`], [`Notice::Scope`].
    pub fn asked(&self, link: &Link) -> Result<Asked, ProvisionError> {
        let catalog = self.catalog.current();
        let mut offered = offered(&catalog);
        let downstream = match &link.downstream {
            Some(name) => offered.find(|entry| entry.name.as_str() == name),
            None => offered.next().filter(|_| offered.next().is_none()),
        }
        .ok_or(Notice::NotOffered)?;
        let known = scopes_at(&catalog, &downstream.name);
        let scope = match &link.scope {
            None => known,
            Some(text) => {
                let asked: Scope = text.parse().map_err(|error| Notice::Scope.because(error))?;
                if !asked.is_subset_of(&known) {
                    return Err(Notice::Scope.into());
                }
                asked
            }
        };
        Ok(Asked {
            downstream: downstream.name.clone(),
            scope,
            is_at_provider: downstream.strategy.needs_upstream_tokens(),
        })
    }

    /// The page on which `user` is asked.
    ///
    /// # Errors
    /// [`Notice::OtherUser`], [`Notice::NoAccount`]; both are in the audit. [`Notice::NoKey`],
    /// [`Notice::NoClient`].
    pub async fn ask(
        &self,
        user: &SignedIn,
        link: &Link,
        asked: &Asked,
        info: &RequestInfo,
    ) -> Result<AskedPage, ProvisionError> {
        let account = match own_account(user, link, asked) {
            Ok(account) => account,
            Err(notice) => {
                let event = self.about(AuditKind::OfflineGranted, user, asked, info);
                return Err(self.refused(event, notice.into()).await);
            }
        };
        let provider = if asked.is_at_provider {
            Some(self.offline_tokens.client()?.display_host())
        } else {
            None
        };
        let scope = asked.scope.to_string();
        let catalog = self.catalog.current();
        let resources = catalog.resources();
        let meaning = |scope: &str| {
            let mut known = resources.iter();
            known
                .find_map(|resource| resource.scopes.get(scope))
                .map_or_else(|| scope.to_owned(), String::clone)
        };
        Ok(AskedPage {
            downstream: asked.downstream.to_string(),
            scopes: asked
                .scope
                .iter()
                .map(|scope| (scope.to_owned(), meaning(scope)))
                .collect(),
            csrf: user.csrf(&purpose(&asked.downstream, &scope)),
            scope,
            account,
            provider,
        })
    }

    /// Records that `user` allows what the page asked, or sends him to the IdP to say it there too.
    /// Allowed again, the grant keeps its id, so that jobs go on; after a withdrawal it is a new one.
    ///
    /// # Errors
    /// [`Notice::Forgery`]; [`Notice::NoAccount`]; [`Notice::NoKey`], [`Notice::NoClient`],
    /// [`Notice::UpstreamUnavailable`]; [`Notice::ServerError`].
    pub async fn allow(
        &self,
        user: &SignedIn,
        asked: &Asked,
        csrf: &str,
        info: &RequestInfo,
    ) -> Result<Allowed, ProvisionError> {
        let name = &asked.downstream;
        user.require_our_form(&purpose(name, &asked.scope.to_string()), csrf)?;
        own_account(user, &Link::default(), asked)?;
        if asked.is_at_provider {
            let url = self.begin_at_provider(user, asked).await?;
            return Ok(Allowed::AtProvider(url));
        }
        let mut event = self.about(AuditKind::OfflineGranted, user, asked, info);
        let transaction = self.store.begin().await?;
        self.grant(&transaction, user, name, &asked.scope, &mut event)
            .await?;
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        Ok(Allowed::Now)
    }

    /// Records a grant as of `event`, which names it afterwards.
    pub(super) async fn grant(
        &self,
        transaction: &Transaction,
        user: &SignedIn,
        downstream: &DownstreamName,
        scope: &Scope,
        event: &mut AuditEvent,
    ) -> Result<OfflineGrant, ProvisionError> {
        let id = OfflineGrantId::parse(self.new_id())
            .map_err(|error| Notice::ServerError.because(error))?;
        let earlier = transaction.offline_grants_of(user.sub()).await?;
        let standing = earlier
            .into_iter()
            .find(|grant| grant.downstream == *downstream && grant.stands());
        let grant = OfflineGrant {
            id: standing.map_or(id, |standing| standing.id),
            sub: user.sub().clone(),
            downstream: downstream.clone(),
            scope: scope.clone(),
            granted_at: event.at,
            failing: None,
            withdrawn_at: None,
        };
        event
            .details
            .insert("offline_grant".to_owned(), grant.id.as_str().into());
        transaction.record_offline_grant(&grant).await?;
        Ok(grant)
    }

    /// Records that `user` does not allow what the page asked. What he allowed before stands: ending
    /// that is another button.
    ///
    /// # Errors
    /// [`Notice::Forgery`]; [`Notice::ServerError`].
    pub async fn deny(
        &self,
        user: &SignedIn,
        asked: &Asked,
        csrf: &str,
        info: &RequestInfo,
    ) -> Result<(), ProvisionError> {
        user.require_our_form(&purpose(&asked.downstream, &asked.scope.to_string()), csrf)?;
        let mut event = self.about(AuditKind::OfflineGranted, user, asked, info);
        event.outcome = Outcome::Refused(ErrorCode::AccessDenied);
        let recorded = self.audit.record(event).await;
        recorded.map_err(|failure| Notice::ServerError.because(failure))
    }

    /// Withdraws what `user` allowed at a downstream, and has the IdP revoke what it gave for it.
    /// Twice is as good as once.
    ///
    /// # Errors
    /// [`Notice::Forgery`]; [`Notice::ServerError`].
    pub async fn withdraw(
        &self,
        user: &SignedIn,
        downstream: &str,
        csrf: &str,
        info: &RequestInfo,
    ) -> Result<(), ProvisionError> {
        user.require_our_form("withdraw", csrf)?;
        let name =
            DownstreamName::parse(downstream).map_err(|error| Notice::Forgery.because(error))?;
        let mut event = self.event(AuditKind::OfflineWithdrawn, user, info);
        event.downstream = Some(name.clone());
        let transaction = self.store.begin().await?;
        let tokens = transaction
            .offline_tokens_of(user.sub(), Some(&name))
            .await?;
        let withdrawn = transaction
            .withdraw_offline_grants(user.sub(), Some(&name), event.at)
            .await?;
        if withdrawn > 0 {
            transaction.append_audit(&[event]).await?;
        }
        transaction.commit().await?;
        self.offline_tokens.revoke(tokens, info);
        Ok(())
    }

    /// Background access of `user`, at each downstream that offers it or once did.
    ///
    /// # Errors
    /// [`Notice::ServerError`].
    pub async fn background_access(
        &self,
        user: &SignedIn,
    ) -> Result<Vec<BackgroundAccess>, ProvisionError> {
        let grants = self.store.offline_grants_of(user.sub()).await?;
        let pending = self
            .store
            .pending_offline_requests(user.sub(), self.ambient.now())
            .await?;
        let catalog = self.catalog.current();
        let unanswered = offered(&catalog)
            .filter(|entry| grants.iter().all(|grant| grant.downstream != entry.name))
            .map(|entry| BackgroundAccess {
                downstream: entry.name.to_string(),
                state: OfflineState::of(None, pending.contains(&entry.name)),
                scope: String::new(),
                since: String::new(),
            });
        let answered = grants.iter().map(|grant| BackgroundAccess {
            downstream: grant.downstream.to_string(),
            state: OfflineState::of(Some(grant), pending.contains(&grant.downstream)),
            scope: grant.scope.to_string(),
            since: grant.since().date(),
        });
        Ok(answered.chain(unanswered).collect())
    }

    fn about(
        &self,
        kind: AuditKind,
        user: &SignedIn,
        asked: &Asked,
        info: &RequestInfo,
    ) -> AuditEvent {
        let mut event = self.event(kind, user, info);
        event.downstream = Some(asked.downstream.clone());
        event.scope = Some(asked.scope.to_string());
        event
    }
}

/// A form is good for what its page showed, and nothing else.
fn purpose(downstream: &DownstreamName, scope: &str) -> String {
    format!("allow {downstream} {scope}")
}

/// The user's account, if the link is not made for somebody else.
fn own_account(user: &SignedIn, link: &Link, asked: &Asked) -> Result<String, Notice> {
    let is_own = |name: &String| Subject::parse(name.as_str()).is_ok_and(|it| it == *user.sub());
    if !link.user.as_ref().is_none_or(is_own) {
        return Err(Notice::OtherUser);
    }
    let uid = user.user.nextcloud_uid.clone();
    if asked.is_at_provider {
        // The IdP's token names him there; we need not know how.
        return Ok(uid.unwrap_or_else(|| user.user.upstream_subject.clone()));
    }
    uid.ok_or(Notice::NoAccount)
}

fn offered(catalog: &Catalog) -> impl Iterator<Item = &Downstream> {
    catalog
        .downstreams()
        .iter()
        .filter(|downstream| downstream.offline)
}

/// The scopes that mean something at a downstream: those of the resources that may reach it.
fn scopes_at(catalog: &Catalog, name: &DownstreamName) -> Scope {
    catalog
        .resources()
        .iter()
        .filter(|resource| resource.downstreams.contains(name))
        .fold(Scope::new(), |all, resource| {
            all.union(&resource.known_scope())
        })
}
