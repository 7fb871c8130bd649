//! The same names and defaults as everywhere.

use signal_tokio::Config;
use signal_wasm::Settings;

#[test]
fn every_limit_is_one_of_signal_serve_with_the_same_default() {
    for limit in Settings::LIMITS {
        let theirs = Config::LIMITS.iter().find(|one| one.name == limit.name);
        let theirs = theirs.unwrap_or_else(|| panic!("{} is not a limit there", limit.name));
        assert_eq!(limit.unit, theirs.unit, "{}", limit.name);
        // Theirs follows from the limit on open files, which a module does not know.
        if limit.name != "peers_max" {
            assert_eq!((limit.default)(), (theirs.default)(), "{}", limit.name);
        }
    }
}
