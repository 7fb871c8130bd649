//! `signal token`: keys and tokens, for backends that have none yet and for anyone who looks for
//! what is wrong with one.

mod check;
mod given;
mod key;
pub(crate) mod key_file;
mod mint;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use signal_access::UnixTime;

pub(crate) use given::TokenFlags;

use crate::failure::Failure;

/// What to do with tokens.
#[derive(Args, Debug)]
#[command(subcommand_required = true)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a key to sign tokens with, and print it as a JWK
    Key(key::KeyArgs),
    /// Sign a token and print it
    ///
    /// A backend signs tokens itself, with any library for JWT; this is for tests, tools and the
    /// first try.
    Mint(Box<mint::MintArgs>),
    /// Say what a token allows and until when, or why a relay would refuse it
    ///
    /// Exit code: 0 a relay with this key would let its bearer in, 1 it would not, 2 the key or the
    /// command line is wrong.
    Check(check::TokenCheckArgs),
}

impl TokenArgs {
    /// What to print, and how to end.
    ///
    /// # Errors
    ///
    /// There is no key, or no token can be made.
    pub(crate) fn run(&self) -> Result<(String, ExitCode), Failure> {
        match &self.command {
            TokenCommand::Key(args) => args.run().map(|key| (key, ExitCode::SUCCESS)),
            TokenCommand::Mint(args) => args.run(now()).map(|token| (token, ExitCode::SUCCESS)),
            TokenCommand::Check(args) => args.run(now()),
        }
    }
}

fn now() -> UnixTime {
    UnixTime::since_1970(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

/// What is wrong with the command line or what it names. Not exit code 1, which says that a token
/// is refused.
fn usage(what: impl Into<String>, fix: impl Into<String>) -> Failure {
    Failure::Usage {
        what: what.into(),
        fix: fix.into(),
        code: 2,
    }
}
