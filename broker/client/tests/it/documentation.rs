//! What the documentation shows is what the tests run.

#[test]
fn the_guide_shows_the_example() {
    let guide = include_str!("../../../../docs/protect-an-mcp-server.md");
    let example = include_str!("../../examples/protected_server.rs");
    let (_, code) = example.split_once("\n\n").unwrap();
    let (shown, _) = code.split_once("#[tokio::main]").unwrap();
    assert!(
        shown.contains("fn app("),
        "the example has changed its shape"
    );
    assert!(
        guide.contains(shown.trim()),
        "copy the example into docs/protect-an-mcp-server.md"
    );
}
