//! What the proxies in front of us say of a request's way: `Forwarded` (RFC 7239) and
//! `X-Forwarded-For`.
//!
//! Whom of them to believe is [`TrustedProxies`]' matter.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::domain::TrustedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request came from that `peer` brought us.
///
/// A proxy mostly keeps up one of the headers and lets the other one through as a stranger wrote it.
/// Which one that is we do not know: where both are there and disagree, neither is believed.
pub(super) fn origin(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    if !proxies.trusts(peer) {
        return peer;
    }
    let forwarded = noted(headers, &header::FORWARDED, forwarded_hops);
    let x_forwarded_for = noted(headers, &X_FORWARDED_FOR, listed_hops);
    let said = |hops: Option<Vec<Option<IpAddr>>>| hops.map(|hops| proxies.origin(peer, &hops));
    match (said(forwarded), said(x_forwarded_for)) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(said), _) | (None, Some(said)) => said,
        (None, None) => peer,
    }
}

/// The notes in all lines of a header, in their order; none when there is no such header.
fn noted(
    headers: &HeaderMap,
    name: &HeaderName,
    read: fn(&str) -> Vec<Option<IpAddr>>,
) -> Option<Vec<Option<IpAddr>>> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    let hops = lines.flat_map(|line| line.to_str().map_or_else(|_| vec![None], read));
    Some(hops.collect())
}

/// The notes of a line of `X-Forwarded-For`.
fn listed_hops(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(|entry| node(entry.trim())).collect()
}

/// The notes of a line of `Forwarded` (RFC 7239 §4). One whose quotes do not close is one note that
/// cannot be read: a stranger's quote must not swallow, or set free, what a proxy has added.
fn forwarded_hops(line: &str) -> Vec<Option<IpAddr>> {
    match split(line, ',') {
        Some(elements) => elements.into_iter().map(forwarded_for).collect(),
        None => vec![None],
    }
}

/// The address of the one `for` of an element.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut nodes = split(element, ';')?
        .into_iter()
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
        .map(|(_, value)| value.trim());
    match (nodes.next(), nodes.next()) {
        (Some(value), None) => node(unquoted(value)),
        _ => None,
    }
}

fn unquoted(value: &str) -> &str {
    let inside = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(value)
}

/// An address as it is written there: bare, or with a port; IPv6 also in brackets (RFC 7239 §6).
/// `unknown` and made-up names are no addresses.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse::<IpAddr>();
    address
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
}

/// Splits at a separator outside of quoted strings (RFC 9110 §5.6.4); none when one does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, character) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted && character == '\\' {
            is_escaped = true;
        } else if character == '"' {
            is_quoted = !is_quoted;
        } else if character == separator && !is_quoted {
            parts.push(text.get(start..index)?);
            start = index + separator.len_utf8();
        }
    }
    parts.push(text.get(start..)?);
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a request came from that 10.0.0.1 brought with these headers, proxies being in 10/8.
    fn said(lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        origin("10.0.0.1".parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn x_forwarded_for_is_a_list_of_addresses_in_many_spellings() {
        for (value, origin) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
            ("192.0.2.1 ,10.0.0.2", "192.0.2.1"),
            ("nonsense, 192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, nonsense", "10.0.0.1"),
            ("192.0.2.1,", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(said(&[("x-forwarded-for", value)]), origin, "{value}");
        }
        let lines = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        assert_eq!(said(&lines), "192.0.2.1");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (value, origin) in [
            ("for=192.0.2.43", "192.0.2.43"),
            ("For=\"192.0.2.43:47011\"", "192.0.2.43"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("by=203.0.113.43; FOR = 192.0.2.60", "192.0.2.60"),
            ("for=203.0.113.9, for=192.0.2.43", "192.0.2.43"),
            ("for=192.0.2.43, for=10.0.0.2", "192.0.2.43"),
            ("for=192.0.2.43;ext=\"a, for=203.0.113.9\"", "192.0.2.43"),
            ("for=unknown", "10.0.0.1"),
            ("for=\"_gazonk\"", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
            ("for=192.0.2.43;for=203.0.113.9", "10.0.0.1"),
            ("for=192.0.2.43, proto=https", "10.0.0.1"),
        ] {
            assert_eq!(said(&[("forwarded", value)]), origin, "{value}");
        }
    }

    #[test]
    fn a_stranger_s_quote_neither_hides_nor_forges_an_address() {
        for (stranger, proxy) in [
            ("for=203.0.113.9;a=\"", "for=192.0.2.1"),
            ("for=203.0.113.9;a=\"", "for=\"[2001:db8::1]\""),
            (
                "for=203.0.113.9;a=\"\\",
                "for=\"[2001:db8::1]\";by=\"[2001:db8::2]\"",
            ),
        ] {
            let one_line = format!("{stranger}, {proxy}");
            assert_eq!(said(&[("forwarded", &one_line)]), "10.0.0.1", "{one_line}");
        }
        let lines = [
            ("forwarded", "for=203.0.113.9;a=\""),
            ("forwarded", "for=192.0.2.1"),
        ];
        assert_eq!(said(&lines), "192.0.2.1");
    }

    #[test]
    fn two_headers_that_disagree_are_not_believed() {
        let forged = ("forwarded", "for=203.0.113.9");
        assert_eq!(
            said(&[forged, ("x-forwarded-for", "192.0.2.1")]),
            "10.0.0.1"
        );
        assert_eq!(
            said(&[forged, ("x-forwarded-for", "203.0.113.9")]),
            "203.0.113.9"
        );
    }
}
