//! What a Worker's environment has under a name.

use std::cell::RefCell;
use std::time::Duration;

use signal_core::Instant;
use worker::Env;
use worker::js_sys::{Array, Function, JSON, Object, Promise, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;

use crate::clock;

/// How long a secret of the Secrets Store is used before it is asked for again.
const SECRET_LIFETIME: Duration = Duration::from_secs(60);

/// The value of a variable or a secret. Nothing that is there counts as not there, whatever it is:
/// it may be what keeps people out.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Variable {
    /// A text.
    Text(String),
    /// A number or a boolean, as it is written.
    Scalar(String),
    /// A list of texts.
    List(Vec<String>),
    /// An object, as JSON.
    Object(String),
    /// Something else, and what it is: `null`, `a binding`.
    Other(&'static str),
}

impl Variable {
    /// The text that it is.
    ///
    /// # Errors
    ///
    /// What it is instead.
    pub(crate) fn into_text(self) -> Result<String, &'static str> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Scalar(_) => Err("a number or a boolean"),
            Self::List(_) => Err("a list"),
            Self::Object(_) => Err("an object"),
            Self::Other(what) => Err(what),
        }
    }

    /// The entries of the list that it is, with commas between them, as they may be written too.
    ///
    /// # Errors
    ///
    /// What it is instead.
    pub(crate) fn into_list(self) -> Result<String, &'static str> {
        match self {
            Self::List(entries) => Ok(entries.join(",")),
            Self::Text(_) | Self::Scalar(_) | Self::Object(_) | Self::Other(_) => self.into_text(),
        }
    }

    /// What it is, for an error: a text stands in quotes.
    pub(crate) fn show(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Scalar(text) => text.clone(),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) => "an object".to_owned(),
            Self::Other(what) => (*what).to_owned(),
        }
    }
}

impl From<&str> for Variable {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A secret of the Secrets Store that could not be read.
pub(crate) struct UnreadableSecret {
    pub(crate) variable: &'static str,
    pub(crate) error: String,
}

/// What stands under a name before it is read.
enum Found {
    Variable(Variable),
    /// A secret of the Secrets Store, which has to be asked for.
    Secret(JsValue, Function),
}

/// The names in the environment.
pub(crate) fn names(env: &Env) -> Vec<String> {
    let names = Object::keys(env.unchecked_ref::<Object>());
    names.iter().filter_map(|name| name.as_string()).collect()
}

/// What can be read without waiting.
pub(crate) fn read_now(env: &Env, name: &str) -> Option<Variable> {
    Some(match find(env, name)? {
        Found::Variable(variable) => variable,
        Found::Secret(..) => Variable::Other("a binding"),
    })
}

/// Reads a variable, a secret, or a secret of the Secrets Store.
pub(crate) async fn read(
    env: &Env,
    name: &'static str,
) -> Result<Option<Variable>, UnreadableSecret> {
    match find(env, name) {
        None => Ok(None),
        Some(Found::Variable(variable)) => Ok(Some(variable)),
        Some(Found::Secret(binding, get)) => {
            let secret = secret(name, &binding, &get).await;
            let text = secret.map_err(|error| UnreadableSecret {
                variable: name,
                error,
            })?;
            Ok(Some(Variable::Text(text)))
        }
    }
}

fn find(env: &Env, name: &str) -> Option<Found> {
    let Ok(value) = Reflect::get(env, &JsValue::from_str(name)) else {
        return Some(Found::Variable(Variable::Other("not readable")));
    };
    if value.is_undefined() {
        let is_there = Reflect::has(env, &JsValue::from_str(name)).unwrap_or(true);
        return is_there.then_some(Found::Variable(Variable::Other("undefined")));
    }
    if let Some(text) = value.as_string() {
        return Some(Found::Variable(Variable::Text(text)));
    }
    // A variable written without quotes in wrangler.toml is a number or a boolean.
    let number = value.as_f64().map(|number| number.to_string());
    let boolean = value.as_bool().map(|boolean| boolean.to_string());
    if let Some(text) = number.or(boolean) {
        return Some(Found::Variable(Variable::Scalar(text)));
    }
    if let Some(list) = value.dyn_ref::<Array>() {
        let texts: Option<Vec<String>> = list.iter().map(|item| item.as_string()).collect();
        let other = Variable::Other("a list of something else than texts");
        return Some(Found::Variable(texts.map_or(other, Variable::List)));
    }
    if value.is_null() {
        return Some(Found::Variable(Variable::Other("null")));
    }
    let get = Reflect::get(&value, &JsValue::from_str("get")).ok();
    if let Some(get) = get.and_then(|get| get.dyn_into::<Function>().ok()) {
        return Some(Found::Secret(value, get));
    }
    let json = JSON::stringify(&value)
        .ok()
        .and_then(|json| json.as_string());
    Some(Found::Variable(json.map_or(
        Variable::Other("not a text, a list or an object"),
        Variable::Object,
    )))
}

#[derive(Clone)]
struct Secret {
    name: &'static str,
    read_at: Instant,
    text: String,
}

thread_local! {
    /// What was read of the Secrets Store, and when: a few names at most.
    static SECRETS: RefCell<Vec<Secret>> = const { RefCell::new(Vec::new()) };
}

/// Asks for a secret, unless it was read a moment ago. If it cannot be read, the one that was read
/// last is used: it still keeps out those that it kept out.
async fn secret(name: &'static str, binding: &JsValue, get: &Function) -> Result<String, String> {
    let now = clock::now();
    let is_it = |secret: &&Secret| secret.name == name;
    let last = SECRETS.with_borrow(|secrets| secrets.iter().find(is_it).cloned());
    if let Some(last) = &last
        && now.saturating_since(last.read_at) < SECRET_LIFETIME
    {
        return Ok(last.text.clone());
    }
    let text = match ask(binding, get).await {
        Ok(text) => text,
        Err(error) => return last.map(|last| last.text).ok_or(error),
    };
    SECRETS.with_borrow_mut(|secrets| {
        secrets.retain(|secret| secret.name != name);
        secrets.push(Secret {
            name,
            read_at: now,
            text: text.clone(),
        });
    });
    Ok(text)
}

async fn ask(binding: &JsValue, get: &Function) -> Result<String, String> {
    let told = |error: JsValue| {
        let message = Reflect::get(&error, &JsValue::from_str("message")).ok();
        let message = message.and_then(|message| message.as_string());
        message.or_else(|| error.as_string()).unwrap_or_default()
    };
    let promise = get.call0(binding).map_err(told)?;
    let value = JsFuture::from(Promise::resolve(&promise))
        .await
        .map_err(told)?;
    value
        .as_string()
        .ok_or_else(|| "what it holds is not a text".to_owned())
}
