fn main() -> std::process::ExitCode {
    aws_cost_anomalies::main()
}
