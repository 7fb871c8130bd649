//! The measurement of `examples/storm`, small: that it measures, and what does not depend on the
//! machine.

#![cfg(target_os = "linux")]

#[path = "../examples/storm/storm/mod.rs"]
mod storm;

use std::path::Path;
use std::time::Duration;

use signal_testwire::Folder;
use storm::Storm;

const CLIENTS: u32 = 100;
const LENGTH: Duration = Duration::from_secs(3);

#[tokio::test]
async fn clients_with_expired_tokens_are_refused_and_others_do_not_notice() {
    let folder = Folder::new("storm");
    let path = folder.path("");
    let storm = Storm {
        program: Path::new(env!("CARGO_BIN_EXE_signal")),
        folder: Path::new(&path),
        clients: CLIENTS,
        quiet: Duration::from_millis(200),
        length: LENGTH,
    };
    let outcome = storm.run().await;
    let outcome = outcome.expect("every message of the honest pair arrives");

    println!("{outcome}");
    let statuses: Vec<u16> = outcome.answers.keys().copied().collect();
    assert_eq!(statuses, [401], "every try is refused before the upgrade");
    let (tries, most) = (outcome.tries(), outcome.tries_max());
    assert!(
        tries > u64::from(CLIENTS) && tries <= most,
        "{tries} of {most}"
    );
    assert!(outcome.quiet.pair.count() > 0 && outcome.storm.pair.count() > 0);
    let logged = outcome.storm.log_bytes();
    assert!(logged < 4 * 1024, "{logged} bytes");
}
