//! Secrets of tokens: how they are made, what is kept of them, how they are compared.
//!
//! Only a SHA-256 of a secret is kept. Slow hashes (argon2, bcrypt) are for passwords that a person could guess;
//! a secret of 256 random bits cannot be searched, so one round is as good, and cheap enough for every request.

use super::Error;
use ring::digest::{SHA256, digest};
use std::fmt;
use std::path::Path;
use subtle::ConstantTimeEq;

/// Begins every token, so that scanners for leaked secrets can know ours.
const PREFIX: &str = "plimsoll_";
/// Least length of the token in `access.root_token_file`; 32 letters and digits hold some 190 bits.
const LEAST_ROOT_CHARS: usize = 32;
/// Most bytes that are looked at: hashing must not be a way to keep the node busy.
const MOST_CHARS: usize = 512;

/// A new token, to be shown once: `plimsoll_<id>_<secret>`. The id finds its record, and is no secret.
pub struct Secret {
    id: String,
    whole: String,
}

impl Secret {
    /// Makes one from the system's random numbers.
    pub fn random() -> Self {
        // 64 bits of id: two of a thousand tokens meet with a chance of 1 in 10^13, and then the second is refused
        let id = hex(&rand::random::<[u8; 8]>());
        let whole = format!("{PREFIX}{id}_{}", hex(&rand::random::<[u8; 32]>()));
        Self { id, whole }
    }

    /// Finds the token's record.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All of it, as a client sends it.
    pub fn expose(&self) -> &str {
        &self.whole
    }

    /// What is kept of it.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.whole)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_...", self.id)
    }
}

/// The id in a token; nothing where the text is no token of ours.
pub(super) fn id_of(token: &str) -> Option<&str> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    (id.len() == 16 && secret.len() == 64).then_some(id)
}

/// SHA-256 of a secret.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hash([u8; 32]);

impl Hash {
    fn of(secret: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(hash)
    }

    /// Whether this is the hash of `secret`; takes the same time wherever they differ.
    pub fn is_of(&self, secret: &str) -> bool {
        secret.len() <= MOST_CHARS && Self::of(secret).0.ct_eq(&self.0).into()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hash>")
    }
}

/// The token in `access.root_token_file`; white space around it does not count.
pub(super) fn root(files: &[(&Path, Vec<u8>)]) -> Result<Hash, Error> {
    let [(path, bytes)] = files else { unreachable!("one file was named") };
    let unusable = |reason: String| Error::Unusable { path: path.to_path_buf(), reason };
    let text = std::str::from_utf8(bytes).map_err(|_| unusable("holds no text".to_owned()))?.trim();
    let fits = (LEAST_ROOT_CHARS..=MOST_CHARS).contains(&text.len());
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(format!(
            "must hold one token of {LEAST_ROOT_CHARS} to {MOST_CHARS} visible ASCII characters; make one with \
             `openssl rand -hex 32`"
        )));
    }
    Ok(Hash::of(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_id_and_known_by_its_hash() {
        let (one, other) = (Secret::random(), Secret::random());
        assert_eq!(id_of(one.expose()), Some(one.id()));
        assert!(one.hash().is_of(one.expose()));
        assert!(!one.hash().is_of(other.expose()));
        assert!(!one.hash().is_of(&one.expose()[..one.expose().len() - 1]));
        assert!(!one.hash().is_of(&format!("{} ", one.expose())));
        assert!(!format!("{one:?} {:?}", one.hash()).contains(&one.expose()[30..]));
    }

    #[test]
    fn what_is_no_token_has_no_id() {
        let good = Secret::random();
        for text in [
            "",
            "plimsoll_",
            "plimsoll__",
            "plimsoll_abc_def",
            "root",
            &good.expose()[1..],
            &good.expose()[..80],
        ] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_root_token_that_could_be_guessed_is_refused_with_the_way_out() {
        let path = Path::new("root-token");
        let read = |text: &[u8]| root(&[(path, text.to_vec())]);
        assert!(
            read(b"  0123456789abcdef0123456789abcdef\n")
                .expect("long enough")
                .is_of("0123456789abcdef0123456789abcdef")
        );
        for text in [&b""[..], b"admin", b"two words that are long enough but two", &[0xff; 40], &[b'x'; 600]]
        {
            let said = read(text).expect_err("it must be refused").to_string();
            assert!(said.starts_with("root-token: "), "{said}");
        }
        assert!(read(b"short").expect_err("short").to_string().contains("openssl rand -hex 32"));
    }
}
