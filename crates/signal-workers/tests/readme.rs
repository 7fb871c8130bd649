//! The Worker in the README is the one in `examples/cloudflare`, which is built and deployed.

#[test]
fn the_worker_in_the_readme_is_the_example() {
    let readme = include_str!("../README.md");
    let example = include_str!("../../../examples/cloudflare/src/lib.rs");
    let code = readme.split("```rust,ignore\n").nth(1);
    let code = code.and_then(|rest| rest.split("```").next());
    let words = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        // rustfmt breaks lines and adds commas as it sees fit.
        let code: String = lines.collect();
        code.replace(|c: char| c.is_whitespace() || c == ',', "")
    };
    assert_eq!(code.map(words), Some(words(example)));
}
