//! The cluster's shared secret.

use std::fmt;

/// What every node of a cluster knows and nobody else: it proves the right to join, and grants are
/// derived from it. Draw it at random (32 characters or more): a process that poses as a node can
/// test guesses of a short one offline.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie(String);

/// A cookie with no characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cookie is empty; set one random text for all nodes of the cluster")]
pub struct InvalidCookie;

impl Cookie {
    /// Wraps a text that is not empty.
    ///
    /// # Errors
    /// [`InvalidCookie`] when it is.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidCookie> {
        let text = text.into();
        if text.is_empty() { Err(InvalidCookie) } else { Ok(Self(text)) }
    }

    /// A key for one purpose, which `context` names; it tells nothing of the cookie or of the keys
    /// for other purposes.
    pub(crate) fn derived_key(&self, context: &'static str) -> [u8; 32] {
        blake3::derive_key(context, self.0.as_bytes())
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(redacted)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_cookie_is_refused_and_none_is_shown() {
        assert_eq!(Cookie::new(""), Err(InvalidCookie));
        let shown = format!("{:?}", Cookie::new("secret").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
