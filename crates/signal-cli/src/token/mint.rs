use std::time::Duration;

use clap::Args;
use signal_access::{ClaimError, Claims, SignError, UnixTime, read_topics};
use signal_core::{TopicSet, parse_time};

use crate::failure::Failure;
use crate::token::key_file::KeyFile;
use crate::token::usage;

/// What the token says.
#[derive(Args, Debug)]
pub(crate) struct MintArgs {
    #[command(flatten)]
    key: KeyFile,

    /// Who the bearer is
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,

    /// Topics to subscribe and publish to, separated by commas: 'garden' is one, 'team-*' all that
    /// begin so, '*' all
    #[arg(long, value_name = "TOPIC,…", value_delimiter = ',')]
    topics: Vec<String>,

    /// Topics only to subscribe to
    #[arg(long, value_name = "TOPIC,…", value_delimiter = ',')]
    subscribe: Vec<String>,

    /// Topics only to publish to
    #[arg(long, value_name = "TOPIC,…", value_delimiter = ',')]
    publish: Vec<String>,

    /// How long it is valid, such as 30m, 8h or 7d; connections made with it end then, too
    #[arg(long, value_name = "TIME", value_parser = validity)]
    expires: Duration,

    /// When it begins to be valid, from now on
    #[arg(long, value_name = "TIME", value_parser = validity)]
    not_before: Option<Duration>,

    /// The relay it is for, by its `token_audience`; may be repeated
    #[arg(long, value_name = "NAME")]
    audience: Vec<String>,

    /// How many connections the subject may have at once
    #[arg(long, value_name = "N", requires = "subject")]
    peers_max: Option<u32>,

    /// How many clients a topic may have with the bearer among them: '50' for every topic, or
    /// 'team-*=50,trial=4' for some
    #[arg(long, value_name = "[TOPIC=]N,…", value_delimiter = ',', value_parser = clients_max)]
    clients_max: Vec<(TopicSet, u32)>,
}

impl MintArgs {
    pub(crate) fn run(&self, now: UnixTime) -> Result<String, Failure> {
        let signer = self.key.signer()?;
        let token = signer
            .sign(&self.claims(now)?)
            .map_err(|error| explain(&error))?;
        if [&self.topics, &self.subscribe, &self.publish]
            .iter()
            .all(|topics| topics.is_empty())
        {
            anstream::eprintln!(
                "This token allows no topic at all. --topics '*' would allow every one."
            );
        }
        Ok(token + "\n")
    }

    fn claims(&self, now: UnixTime) -> Result<Claims, Failure> {
        let mut claims = Claims::until(now.saturating_add(self.expires));
        claims.subject = self.subject.clone();
        claims.not_before = self.not_before.map(|wait| now.saturating_add(wait));
        claims.audience = self.audience.clone();
        claims.peers_max = self.peers_max;
        claims.clients_max = self.clients_max.clone();
        claims.subscribe = set([&self.topics, &self.subscribe])?;
        claims.publish = set([&self.topics, &self.publish])?;
        Ok(claims)
    }
}

fn set(lists: [&Vec<String>; 2]) -> Result<TopicSet, Failure> {
    let patterns = lists.into_iter().flatten().map(String::as_str);
    read_topics(patterns).map_err(|error| explain(&error.into()))
}

fn explain(error: &SignError) -> Failure {
    let fix = match error {
        SignError::Claims(ClaimError::Pattern) => {
            "write a topic as 'garden', a beginning as 'team-*', or '*' for all"
        }
        SignError::Claims(ClaimError::TooManyTopics) | SignError::TooLong(_) => {
            "name fewer topics, or what they begin with"
        }
        SignError::Claims(_) | _ => "correct the flag",
    };
    usage(format!("no token can be made: {error}"), fix)
}

/// A number, perhaps with the topics that it is for.
fn clients_max(text: &str) -> Result<(TopicSet, u32), String> {
    let (topics, number) = text.rsplit_once('=').unwrap_or(("*", text));
    let topics = read_topics([topics]).map_err(|error| error.to_string())?;
    let number = number.parse().ok().filter(|number| *number > 0);
    let number = number.ok_or("write a number from 1, such as 50 or 'team-*=50'")?;
    Ok((topics, number))
}

/// A time as settings have it, or a number of days.
fn validity(text: &str) -> Result<Duration, String> {
    let days = text
        .trim()
        .strip_suffix('d')
        .map(|days| days.trim().parse::<u32>());
    let time = match days {
        Some(Ok(days)) => Duration::from_secs(u64::from(days) * 86_400),
        Some(Err(_)) | None => parse_time(text)
            .map_err(|_| "write a number with s, m, h or d, such as 8h".to_owned())?,
    };
    // The times in a token are whole seconds.
    if time.as_secs() == 0 {
        return Err("it must be a second at least".to_owned());
    }
    Ok(time)
}
