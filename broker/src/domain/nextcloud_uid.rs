//! Which texts may stand for a Nextcloud account.
//!
//! Nextcloud looks an account up without regard to case and, when no id fits, by e-mail address; it
//! replaces ids that are too long by a hash. So a claim that is *almost* an id can reach somebody
//! else's account. What could is refused here, before a token for it is signed; that two users whose
//! ids differ in case only are told apart is [`crate::exchange::Uids`]' matter, who knows them all.

/// The longest id that Nextcloud takes as it is, in characters.
const LONGEST: usize = 64;

/// Whether ids in the form of an e-mail address are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmailUids {
    /// They are refused: Nextcloud would take one that is no id for somebody's address.
    #[default]
    Refused,
    /// They are ids here, and nobody can give himself another's address at the identity provider.
    Accepted,
}

/// Why a text may not stand for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeUid {
    /// It is empty, or has more than 64 characters.
    #[error("it must have 1 to 64 characters")]
    Length,
    /// It begins or ends with a space.
    #[error("it must not begin or end with a space")]
    Space,
    /// It has a character that no id has, or is `.` or `..`.
    #[error("it has characters that no Nextcloud id has")]
    Character,
    /// It looks like an e-mail address.
    #[error("it has the form of an e-mail address, which Nextcloud would look up as such")]
    Email,
}

/// Refuses a uid that Nextcloud might take for somebody else's.
///
/// # Errors
/// Says why.
pub fn check_nextcloud_uid(uid: &str, email: EmailUids) -> Result<(), UnsafeUid> {
    if uid.is_empty() || uid.chars().count() > LONGEST {
        return Err(UnsafeUid::Length);
    }
    if uid.starts_with(' ') || uid.ends_with(' ') {
        return Err(UnsafeUid::Space);
    }
    // What Nextcloud allows in the ids of its own accounts.
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" _.@-'".contains(&byte);
    if !uid.bytes().all(is_allowed) || matches!(uid, "." | "..") {
        return Err(UnsafeUid::Character);
    }
    if uid.contains('@') && email == EmailUids::Refused {
        return Err(UnsafeUid::Email);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_as_nextcloud_makes_them_pass() {
        for uid in ["alice", "Alice", "j.doe-2", "o'neil", "Mary Ann", "_x", "7"] {
            assert_eq!(
                check_nextcloud_uid(uid, EmailUids::Refused),
                Ok(()),
                "{uid}"
            );
        }
    }

    #[test]
    fn what_nextcloud_might_take_for_somebody_else_is_refused() {
        let long = "x".repeat(65);
        for (uid, problem) in [
            ("", UnsafeUid::Length),
            (long.as_str(), UnsafeUid::Length),
            (" alice", UnsafeUid::Space),
            ("alice ", UnsafeUid::Space),
            ("alice\u{a0}", UnsafeUid::Character),
            ("\talice", UnsafeUid::Character),
            ("alice\n", UnsafeUid::Character),
            ("al\u{131}ce", UnsafeUid::Character),
            ("alice/../bob", UnsafeUid::Character),
            ("..", UnsafeUid::Character),
            ("alice\0", UnsafeUid::Character),
            ("alice@example.org", UnsafeUid::Email),
        ] {
            assert_eq!(
                check_nextcloud_uid(uid, EmailUids::Refused),
                Err(problem),
                "{uid:?}"
            );
        }
    }

    #[test]
    fn an_address_can_be_allowed_and_nothing_else_with_it() {
        assert_eq!(
            check_nextcloud_uid("alice@example.org", EmailUids::Accepted),
            Ok(())
        );
        assert_eq!(
            check_nextcloud_uid("alice@example.org ", EmailUids::Accepted),
            Err(UnsafeUid::Space)
        );
    }
}
