use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use signal_access::{Algorithm, NewKey, TokenSigner};

use crate::failure::Failure;
use crate::token::{key_file, usage};

/// What key to make.
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    /// How it signs: HS256, one secret for backend and relay, or EdDSA, where the relay needs only
    /// the public half
    #[arg(long, value_name = "HS256|EdDSA", default_value = "EdDSA", value_parser = algorithm)]
    algorithm: Algorithm,

    /// The name (kid) by which tokens choose it among several [default: a random one]
    #[arg(long, value_name = "NAME")]
    id: Option<String>,

    /// Write it to a new file, which only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print the public half of the EdDSA key in this file instead of making one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["algorithm", "id"])]
    public: Option<PathBuf>,
}

impl KeyArgs {
    pub(crate) fn run(&self) -> Result<String, Failure> {
        let key = match &self.public {
            Some(path) => public(path)?,
            None => self.make()?,
        };
        let Some(path) = &self.out else {
            if self.public.is_none() && std::io::stdout().is_terminal() {
                anstream::eprintln!(
                    "This is a secret. --out FILE writes it where only you can read it."
                );
            }
            return Ok(key + "\n");
        };
        write_new(path, &(key + "\n"))?;
        Ok(String::new())
    }

    fn make(&self) -> Result<String, Failure> {
        let mut random = [0; 36];
        getrandom::fill(&mut random).map_err(|error| {
            Failure::other(
                format!("the system gives no random numbers: {error}"),
                "try again on another machine",
            )
        })?;
        let mut seed = [0; 32];
        let (secret, name) = random.split_at(seed.len());
        seed.copy_from_slice(secret);
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = self.id.as_deref().unwrap_or(&name);
        Ok(NewKey::from_seed(self.algorithm, Some(id), seed).private_jwk())
    }
}

fn public(path: &Path) -> Result<String, Failure> {
    let text = key_file::read(path)?;
    let signer = TokenSigner::new(&text).map_err(|error| key_file::explain(path, &error))?;
    signer.public_jwk().ok_or_else(|| {
        usage(
            format!(
                "{} holds an HS256 key, which has no public half",
                path.display()
            ),
            "give the relay the same file, or make another key: signal token key --algorithm EdDSA",
        )
    })
}

/// Writes a file that was not there; a key that is overwritten takes all its tokens with it.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        usage(
            format!("{} cannot be written: {error}", path.display()),
            "name a file that does not exist yet, in a folder that does",
        )
    })
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let named = |one: &Algorithm| one.name().eq_ignore_ascii_case(text);
    let found = Algorithm::ALL.into_iter().find(named);
    found.ok_or_else(|| "write HS256 or EdDSA".to_owned())
}
