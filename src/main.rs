//! The program; `cli` has what it does.

fn main() -> std::process::ExitCode {
    aws_cost_anomalies::main()
}
