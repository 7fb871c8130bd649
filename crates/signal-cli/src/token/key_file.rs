use std::path::{Path, PathBuf};

use clap::Args;
use signal_access::{KeyError, KeyProblem, TokenSigner, TokenVerifier};
use signal_tokio::RingKeys;

use crate::failure::Failure;
use crate::text_file;
use crate::token::usage;

/// The file with the key.
#[derive(Args, Debug)]
pub(crate) struct KeyFile {
    /// The file with the key: a JWK, or a JWK Set, as `signal token key` prints it
    #[arg(long = "key-file", value_name = "FILE", env = "SIGNAL_TOKEN_KEY_FILE")]
    path: PathBuf,
}

impl KeyFile {
    pub(crate) fn signer(&self) -> Result<TokenSigner, Failure> {
        TokenSigner::new(&read(&self.path)?).map_err(|error| explain(&self.path, &error))
    }

    pub(crate) fn verifier(&self) -> Result<TokenVerifier, Failure> {
        TokenVerifier::with_public_keys(&read(&self.path)?, &RingKeys)
            .map_err(|error| explain(&self.path, &error))
    }
}

pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    text_file::read(path).map_err(|error| {
        usage(
            format!("the key file {} cannot be read: {error}", path.display()),
            format!(
                "check the path and who may read it; a new key is made by: signal token key --out {}",
                path.display()
            ),
        )
    })
}

pub(crate) fn explain(path: &Path, error: &KeyError) -> Failure {
    usage(
        format!("the key file {} cannot be used: {error}", path.display()),
        fix(error),
    )
}

/// What to do about a key that cannot be used.
pub(crate) fn fix(error: &KeyError) -> &'static str {
    match error {
        KeyError::NotOne(_) => "name a file with the one key that is to sign",
        KeyError::Key(_, KeyProblem::NotPrivate) => {
            "sign with the private key; the public one is for the relay"
        }
        KeyError::Key(_, KeyProblem::Short) => "make a longer secret: signal token key",
        KeyError::NoneUsable(_) => "add a key that the relay can use; `signal token key` makes one",
        KeyError::Key(_, KeyProblem::NoAlgorithm) => {
            "add \"alg\":\"HS256\" to it, if that is how its tokens are signed"
        }
        KeyError::Pem => {
            "take the address or file at which its issuer has the JWK Set, or make a JWK of a public key: node -p \
             'JSON.stringify(crypto.createPublicKey(fs.readFileSync(\"key.pem\")).export({format:\"jwk\"}))'"
        }
        KeyError::NotJwk => {
            "write it as `signal token key` does; a secret alone is written as \
             {\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"…\"}, in base64url"
        }
        KeyError::TooLong | KeyError::NoKeys | KeyError::Key(..) | _ => {
            "write it as `signal token key` does"
        }
    }
}
