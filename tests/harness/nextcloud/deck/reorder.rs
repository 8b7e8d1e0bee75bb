//! Moving a card: the public route, which cannot leave the list, and the one of Deck's own pages.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::super::gate::{CorsRoute, CsrfRoute};
use super::super::parameters::Parameters;
use super::super::server::Shared;
use super::cards::CardPath;
use super::error::DeckError;
use super::model::{Deck, Right};
use super::shapes;
use super::{Asker, act, id};

/// `…/stacks/{stack}/cards/{card}/reorder`: the list of the path hides the `stackId` of the body.
pub(super) async fn public(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, stack, card)): CardPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let stack = id(&stack, "stack")?;
        let order = parameters.number("order").ok_or(DeckError::Broken)?;
        reorder(deck, asker, &card, stack, order)
    })
}

/// `/apps/deck/cards/{card}/reorder`: an ordinary controller route; what is missing is 0.
pub(super) async fn internal(
    State(server): State<Shared>,
    CsrfRoute(session): CsrfRoute,
    Path(card): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let number = |name: &str| parameters.number(name).unwrap_or_default();
        let stack = u64::try_from(number("stackId")).unwrap_or_default();
        reorder(deck, asker, &card, stack, number("order"))
    })
}

fn reorder(
    deck: &mut Deck,
    asker: &Asker,
    card: &str,
    stack: u64,
    order: i64,
) -> Result<Value, DeckError> {
    let id = id(card, "card")?;
    let before = deck.card(id, &asker.uid, Right::Edit)?;
    deck.stack(stack, &asker.uid, Right::Edit)?;
    deck.check_board_of_stack(before.stack)?;
    if before.archived {
        return Err(DeckError::CARD_ARCHIVED);
    }
    if let Some(card) = deck.cards.get_mut(&id) {
        card.stack = stack;
    }
    let mut next = 0;
    let mut rows = Vec::new();
    for other in deck.cards_of(stack, false) {
        let Some(card) = deck.cards.get_mut(&other) else {
            continue;
        };
        if next == order {
            next += 1;
        }
        if other == id {
            card.order = order;
        } else {
            card.order = next;
            next += 1;
        }
        rows.push(shapes::bare_row(other, card));
    }
    deck.card_changed(id, asker.now);
    Ok(Value::Array(rows))
}
