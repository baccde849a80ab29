//! Page tokens: where the next page begins, as opaque text.
//!
//! A token names the last item that the client has seen, not a position, so that items made or
//! deleted between two pages neither repeat nor hide others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The token that continues after the item with this key.
#[must_use]
pub fn token_after<K: Serialize>(key: &K) -> String {
    // Keys are strings, numbers and tuples of them: they always have a JSON form.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// The key in a token; `None` if the token was not made by [`token_after`] for keys of this type.
#[must_use]
pub fn key_of<K: DeserializeOwned>(token: &str) -> Option<K> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_its_key_back_and_nothing_else_does() {
        let key = ("a".to_owned(), "b\u{0}c".to_owned());
        assert_eq!(key_of(&token_after(&key)), Some(key));
        for wrong in ["", "x", "e30", "é", "W10"] {
            assert_eq!(key_of::<(String, String)>(wrong), None, "{wrong}");
        }
    }
}
