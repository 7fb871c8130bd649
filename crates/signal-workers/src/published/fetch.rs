//! One request for the keys of an issuer.

use std::fmt;

use signal_access::{JwksUrl, KEY_TEXT_BYTES_MAX, KeyError, KeySchedule};
use worker::js_sys::{self, Object, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{
    AbortSignal, ReadableStreamDefaultReader, RequestInit, RequestRedirect, Response,
    WorkerGlobalScope,
};

/// Why there are no keys.
#[derive(Debug)]
pub(super) enum FetchError {
    /// The runtime has no answer, and says why.
    NoAnswer(String),
    TimedOut,
    Redirect(u16),
    Status(u16),
    TooLong,
    NotText,
    Keys(KeyError),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(why) => write!(f, "there is no answer: {why}"),
            Self::TimedOut => f.write_str("it did not answer within 5 seconds"),
            Self::Redirect(status) => write!(
                f,
                "it answers with a redirect ({status}), which is not followed; name the address it leads to"
            ),
            Self::Status(status) => write!(f, "it answers with {status}"),
            Self::TooLong => write!(
                f,
                "its answer is longer than {} KiB",
                KEY_TEXT_BYTES_MAX / 1_024
            ),
            Self::NotText => f.write_str("its answer is not text"),
            Self::Keys(error) => write!(f, "its answer cannot be used: {error}"),
        }
    }
}

impl From<JsValue> for FetchError {
    fn from(error: JsValue) -> Self {
        let text = |name| {
            Reflect::get(&error, &JsValue::from_str(name))
                .ok()?
                .as_string()
        };
        if text("name").as_deref() == Some("TimeoutError") {
            return Self::TimedOut;
        }
        Self::NoAnswer(text("message").unwrap_or_default())
    }
}

/// The text that is there now. A redirect is not followed: it could lead anywhere.
pub(super) async fn get(url: &JwksUrl) -> Result<String, FetchError> {
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let answer = global.fetch_with_str_and_init(url.as_str(), &request()?);
    let answer: Response = JsFuture::from(answer).await?.unchecked_into();
    match answer.status() {
        200..=299 => {}
        status @ 300..=399 => return Err(FetchError::Redirect(status)),
        status => return Err(FetchError::Status(status)),
    }
    let bytes = read(&answer).await?;
    String::from_utf8(bytes).map_err(|_| FetchError::NotText)
}

fn request() -> Result<RequestInit, JsValue> {
    let request = RequestInit::new();
    request.set_redirect(RequestRedirect::Manual);
    // It ends the reading of the answer too.
    let millis = KeySchedule::FETCH_TIMEOUT.as_millis();
    let timeout = AbortSignal::timeout_with_u32(u32::try_from(millis).unwrap_or(u32::MAX));
    request.set_signal(Some(&timeout));
    let headers = Object::new();
    set(&headers, "accept", &"application/json".into())?;
    set(&headers, "user-agent", &USER_AGENT.into())?;
    request.set_headers(&headers);
    // Isolates of one location ask the issuer once for all, and no less often than one of them
    // would.
    let cf = Object::new();
    let seconds = KeySchedule::UNKNOWN_KEY_INTERVAL.as_secs();
    set(&cf, "cacheTtl", &JsValue::from_f64(seconds as f64))?;
    set(&cf, "cacheEverything", &JsValue::TRUE)?;
    set(&request, "cf", &cf)?;
    Ok(request)
}

const USER_AGENT: &str = concat!("signal/", env!("CARGO_PKG_VERSION"));

fn set(object: &Object, name: &str, value: &JsValue) -> Result<(), JsValue> {
    Reflect::set(object, &JsValue::from_str(name), value).map(drop)
}

/// The body, if it is not too long.
async fn read(answer: &Response) -> Result<Vec<u8>, FetchError> {
    let Some(body) = answer.body() else {
        return Ok(Vec::new());
    };
    let reader = ReadableStreamDefaultReader::new(&body)?;
    let mut bytes = Vec::new();
    loop {
        let piece = JsFuture::from(reader.read()).await?;
        let piece = Reflect::get(&piece, &JsValue::from_str("value"))?;
        // At the end there is none.
        let Some(piece) = piece.dyn_ref::<Uint8Array>() else {
            return Ok(bytes);
        };
        bytes.append(&mut piece.to_vec());
        if bytes.len() > KEY_TEXT_BYTES_MAX {
            // What comes after it is of no interest.
            let _ = reader.cancel();
            return Err(FetchError::TooLong);
        }
    }
}
