# The recipes are the jobs of continuous integration; each is one verb of `cargo xtask`.

# Everything that must hold before a commit lands.
test *options:
    .ci/run {{options}}

# Formatting, clippy, structure.
lint:
    cargo xtask lint

# 10 GiB through the proxy, 1,000 idle connections.
soak:
    cargo xtask soak

# Every fuzz target, or one, for some time each.
fuzz *options:
    cargo xtask fuzz {{options}}

# Licences, bans, sources and advisories, where cargo-deny is installed.
deny:
    cargo xtask deny

# The simulated phone and servers.
demo:
    cargo run --release -- demo
