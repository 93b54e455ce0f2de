//! Be the process that `bench/compare` talks to.

fn main() -> std::io::Result<()> {
    flowstill_bench::serve(std::io::stdin().lock(), std::io::stdout().lock())
}
