use std::fmt;

use async_nats::Auth;
use nkeys::KeyPair;

/// What a node signs in with.
#[derive(Clone)]
pub(crate) enum Credentials {
    Token(String),
    Password {
        user: String,
        password: String,
    },
    /// The seed of an nkey.
    NKey(String),
    /// A user's JWT, and the seed of their nkey.
    Jwt {
        jwt: String,
        seed: String,
    },
}

/// How the seed of a user's nkey begins.
const SEED: &str = "SU";
/// Its length: a byte that says what it is, another, 32 of the seed and 2 of a checksum, in base32.
const SEED_LEN: usize = 58;

impl Credentials {
    /// Reads the text of a file: a `.creds` file, the seed of an nkey, `USER:PASSWORD`, or a token.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and nothing of what is in it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.contains("-----BEGIN") {
            let problem = "is not a .creds file as `nsc generate creds` writes it: a user's JWT, and the seed of \
                           their nkey";
            let block = |name| block(text, name).map(str::to_owned).ok_or(problem);
            let (jwt, seed) = (block("NATS USER JWT")?, block("USER NKEY SEED")?);
            return match KeyPair::from_seed(&seed) {
                Ok(_) => Ok(Self::Jwt { jwt, seed }),
                Err(_) => Err("has a damaged nkey seed".to_owned()),
            };
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(
                "is neither a .creds file nor one line with an nkey's seed, USER:PASSWORD or a token"
                    .to_owned(),
            );
        };
        if line.starts_with(SEED) && line.len() == SEED_LEN {
            return match KeyPair::from_seed(line) {
                Ok(_) => Ok(Self::NKey(line.to_owned())),
                Err(_) => Err("looks like the seed of a user's nkey, and is damaged".to_owned()),
            };
        }
        Ok(match line.split_once(':') {
            Some((user, password)) => Self::Password {
                user: user.to_owned(),
                password: password.to_owned(),
            },
            None => Self::Token(line.to_owned()),
        })
    }

    /// What a server is answered that has sent this nonce.
    ///
    /// # Errors
    ///
    /// The nonce cannot be signed.
    pub(crate) fn answer(&self, nonce: &[u8]) -> Result<Auth, nkeys::error::Error> {
        let mut auth = Auth::new();
        match self {
            Self::Token(token) => auth.token = Some(token.clone()),
            Self::Password { user, password } => {
                auth.username = Some(user.clone());
                auth.password = Some(password.clone());
            }
            Self::NKey(seed) => {
                let key = KeyPair::from_seed(seed)?;
                auth.nkey = Some(key.public_key());
                auth.signature = Some(key.sign(nonce)?);
            }
            Self::Jwt { jwt, seed } => {
                auth.jwt = Some(jwt.clone());
                auth.signature = Some(KeyPair::from_seed(seed)?.sign(nonce)?);
            }
        }
        Ok(auth)
    }
}

/// The line in the block of this name.
fn block<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("-----BEGIN") && line.contains(name))?;
    lines
        .find(|line| !line.is_empty())
        .filter(|line| !line.starts_with("--"))
}

/// Says what kind they are and nothing else.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "a token",
            Self::Password { .. } => "a user and a password",
            Self::NKey(_) => "an nkey",
            Self::Jwt { .. } => "a JWT and an nkey",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a key that exists nowhere else.
    fn seed() -> String {
        KeyPair::new_user().seed().expect("a seed")
    }

    #[test]
    fn a_file_is_read_as_what_it_looks_like() {
        let seed = seed();
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.eyJ1.c2ln\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        for (text, kind) in [
            (creds.as_str(), "a JWT and an nkey"),
            (&format!("{seed}\n"), "an nkey"),
            ("ann:se:cret\n", "a user and a password"),
            ("\n  t0ken \r\n", "a token"),
        ] {
            let read = Credentials::read(text).expect(kind);
            assert_eq!(format!("{read:?}"), kind);
        }
        let read = Credentials::read("ann:se:cret\n");
        assert!(
            matches!(read, Ok(Credentials::Password { password, .. }) if password == "se:cret")
        );
    }

    #[test]
    fn what_is_damaged_is_refused_without_showing_it() {
        let damaged = format!("{}AAAA", &seed()[..54]);
        for text in [
            "",
            " \n",
            "two\nlines",
            &damaged,
            "-----BEGIN NATS USER JWT-----\n",
        ] {
            let error = Credentials::read(text).expect_err(text);
            assert!(!error.contains(damaged.as_str()), "{error}");
        }
    }
}
