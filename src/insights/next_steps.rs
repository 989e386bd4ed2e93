//! Where to look next: for what is metered, the command that shows who uses it. Sources are AWS's documentation.

use schemars::JsonSchema;
use serde::Serialize;

use super::change::{Members, MeterChange};
use crate::{analysis::attribution::without_region, inert, model::Dimension, store::queries::NONE};

/// What a message calls a command to look further with.
pub(crate) const LOOK_WITH: &str = "look with";

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct NextStep {
    pub what: String,
    pub command: String,
    /// The page that says so.
    pub source: &'static str,
}

/// What to do about a usage type: the service, a part of the usage type, what to look at, the command, its source.
/// `{region}`, `{resource}` (its name), `{start}` and `{end}` are filled in.
const STEPS: [(&str, &str, &str, &str, &str); 28] = [
    (
        "AmazonEC2",
        "NatGateway",
        "which hosts send through the NAT gateway; traffic to S3 and DynamoDB is free through a gateway endpoint",
        "aws cloudwatch get-metric-statistics --region {region} --namespace AWS/NATGateway --metric-name BytesOutToDestination --dimensions Name=NatGatewayId,Value={resource} --statistics Sum --period 3600 --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html",
    ),
    (
        "AmazonEC2",
        "EBS:SnapshotUsage",
        "snapshots by age, and who makes them",
        "aws ec2 describe-snapshots --region {region} --owner-ids self --query \"Snapshots[?StartTime>='{start}'].[SnapshotId,VolumeId,VolumeSize,StartTime,Description]\" --output table",
        "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-snapshots.html",
    ),
    (
        "AmazonEC2",
        "EBS:Volume",
        "volumes that no instance uses, and those that were created lately",
        "aws ec2 describe-volumes --region {region} --filters Name=status,Values=available --query \"Volumes[].[VolumeId,VolumeType,Size,CreateTime]\" --output table",
        "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-describing-volumes.html",
    ),
    (
        "AmazonEC2",
        "BoxUsage",
        "who started the instances",
        "aws cloudtrail lookup-events --region {region} --lookup-attributes AttributeKey=EventName,AttributeValue=RunInstances --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events-cli.html",
    ),
    (
        "AmazonEC2",
        "SpotUsage",
        "spot instances and what asked for them",
        "aws ec2 describe-instances --region {region} --filters Name=instance-lifecycle,Values=spot --query \"Reservations[].Instances[].[InstanceId,InstanceType,LaunchTime]\" --output table",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-spot-instances-history.html",
    ),
    (
        "AmazonEC2",
        "CPUCredits",
        "T instances that run in unlimited mode above their baseline",
        "aws cloudwatch get-metric-statistics --region {region} --namespace AWS/EC2 --metric-name CPUSurplusCreditsCharged --dimensions Name=InstanceId,Value={resource} --statistics Sum --period 3600 --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-monitoring-cpu-credits.html",
    ),
    (
        "AmazonEC2",
        "DataTransfer-Regional",
        "traffic between availability zones: flow logs by pair of addresses",
        "aws ec2 describe-flow-logs --region {region}",
        "https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html",
    ),
    (
        "AmazonEC2",
        "DataTransfer-Out",
        "what sends to the internet",
        "aws cloudwatch get-metric-statistics --region {region} --namespace AWS/EC2 --metric-name NetworkOut --dimensions Name=InstanceId,Value={resource} --statistics Sum --period 3600 --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/cur/latest/userguide/cur-data-transfers-charges.html",
    ),
    (
        "",
        "PublicIPv4",
        "public addresses, in use and idle",
        "aws ec2 describe-addresses --region {region} --query \"Addresses[].[PublicIp,AllocationId,InstanceId,NetworkInterfaceId]\" --output table",
        "https://docs.aws.amazon.com/vpc/latest/ipam/view-public-ip-insights.html",
    ),
    (
        "AWSELB",
        "",
        "load balancers without requests",
        "aws elbv2 describe-load-balancers --region {region} --query \"LoadBalancers[].[LoadBalancerName,Type,CreatedTime]\" --output table",
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html",
    ),
    (
        "AWSLambda",
        "Request",
        "invocations of the function",
        "aws cloudwatch get-metric-statistics --region {region} --namespace AWS/Lambda --metric-name Invocations --dimensions Name=FunctionName,Value={resource} --statistics Sum --period 3600 --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
    ),
    (
        "AWSLambda",
        "",
        "duration of the function, then its memory",
        "aws cloudwatch get-metric-statistics --region {region} --namespace AWS/Lambda --metric-name Duration --dimensions Name=FunctionName,Value={resource} --statistics Sum Average --period 3600 --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
    ),
    (
        "AmazonCloudWatch",
        "DataProcessing-Bytes",
        "bytes that the log group takes in",
        "aws cloudwatch get-metric-statistics --region {region} --namespace AWS/Logs --metric-name IncomingBytes --dimensions Name=LogGroupName,Value={resource} --statistics Sum --period 3600 --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html",
    ),
    (
        "AmazonCloudWatch",
        "TimedStorage",
        "log groups that keep everything",
        "aws logs describe-log-groups --region {region} --query \"logGroups[?!retentionInDays].[logGroupName,storedBytes]\" --output table",
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html",
    ),
    (
        "AmazonCloudWatch",
        "",
        "metrics and requests for them",
        "aws cloudwatch list-metrics --region {region} --recently-active PT3H --query \"Metrics[].Namespace\" --output text",
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_billing.html",
    ),
    (
        "awskms",
        "",
        "who asks for the key; bucket keys cut requests of S3",
        "aws cloudtrail lookup-events --region {region} --lookup-attributes AttributeKey=EventSource,AttributeValue=kms.amazonaws.com --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html",
    ),
    (
        "AmazonS3",
        "Requests",
        "requests of the bucket (where request metrics are on)",
        "aws cloudwatch get-metric-statistics --region {region} --namespace AWS/S3 --metric-name AllRequests --dimensions Name=BucketName,Value={resource} Name=FilterId,Value=EntireBucket --statistics Sum --period 3600 --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html",
    ),
    (
        "AmazonS3",
        "TimedStorage",
        "size of the bucket, and rules that would expire what it keeps",
        "aws s3api get-bucket-lifecycle-configuration --bucket {resource}",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html",
    ),
    (
        "AmazonRDS",
        "Backup",
        "snapshots and how long backups are kept",
        "aws rds describe-db-snapshots --region {region} --query \"DBSnapshots[].[DBSnapshotIdentifier,DBInstanceIdentifier,AllocatedStorage,SnapshotCreateTime]\" --output table",
        "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ManagingAutomatedBackups.html",
    ),
    (
        "AmazonRDS",
        "",
        "what happened to the databases",
        "aws rds describe-events --region {region} --source-type db-instance --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ListEvents.html",
    ),
    (
        "AmazonDynamoDB",
        "",
        "reads and writes of the table",
        "aws cloudwatch get-metric-statistics --region {region} --namespace AWS/DynamoDB --metric-name ConsumedWriteCapacityUnits --dimensions Name=TableName,Value={resource} --statistics Sum --period 3600 --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html",
    ),
    (
        "AWSGlue",
        "DEVED",
        "development endpoints that are up",
        "aws glue get-dev-endpoints --region {region} --query \"DevEndpoints[].[EndpointName,Status,NumberOfNodes,CreatedTimestamp]\" --output table",
        "https://docs.aws.amazon.com/glue/latest/dg/console-development-endpoint.html",
    ),
    (
        "AWSGlue",
        "Crawler",
        "runs of the crawlers and their length",
        "aws glue get-crawler-metrics --region {region} --output table",
        "https://docs.aws.amazon.com/glue/latest/dg/monitor-crawler.html",
    ),
    (
        "AWSGlue",
        "",
        "runs of the job, their length and workers",
        "aws glue get-job-runs --region {region} --job-name {resource} --query \"JobRuns[].[StartedOn,ExecutionTime,MaxCapacity,JobRunState]\" --output table",
        "https://docs.aws.amazon.com/glue/latest/dg/monitor-profile-glue-job-cloudwatch-metrics.html",
    ),
    (
        "AmazonRedshift",
        "",
        "clusters and their nodes",
        "aws redshift describe-clusters --region {region} --query \"Clusters[].[ClusterIdentifier,NodeType,NumberOfNodes,ClusterCreateTime]\" --output table",
        "https://docs.aws.amazon.com/redshift/latest/mgmt/working-with-clusters.html",
    ),
    (
        "AmazonSageMaker",
        "",
        "endpoints that are up",
        "aws sagemaker list-endpoints --region {region} --status-equals InService",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-delete-resources.html",
    ),
    (
        "AmazonElastiCache",
        "",
        "clusters and their nodes",
        "aws elasticache describe-cache-clusters --region {region} --query \"CacheClusters[].[CacheClusterId,CacheNodeType,NumCacheNodes,CacheClusterCreateTime]\" --output table",
        "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.html",
    ),
    (
        "",
        "",
        "who changed something around that time",
        "aws cloudtrail lookup-events --region {region} --lookup-attributes AttributeKey=ReadOnly,AttributeValue=false --start-time {start} --end-time {end}",
        "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events-cli.html",
    ),
];

/// So many are shown.
const MOST: usize = 3;

/// What to look at for the meters that changed most, `days` being the first and the last of the change.
pub(crate) fn next_steps(meters: &[MeterChange], contributors: &[Members], days: (&str, &str)) -> Vec<NextStep> {
    let resource = contributors
        .iter()
        .find(|members| members.dimension == Dimension::Resource)
        .and_then(|members| members.members.iter().find(|member| member.value != NONE))
        .map(|member| name_of(&member.value));
    let mut steps: Vec<NextStep> = Vec::new();
    for (place, meter) in meters.iter().enumerate() {
        let usage_type = without_region(&meter.usage_type);
        let fits = |(service, part, ..): &&(&str, &str, &str, &str, &str)| {
            (service.is_empty() || *service == meter.service) && usage_type.contains(part)
        };
        let Some((_, _, what, command, source)) = STEPS.iter().find(fits) else { continue };
        let region = if meter.region == "global" { "us-east-1" } else { &meter.region };
        let resource = resource.filter(|_| place == 0).unwrap_or("NAME");
        let places = [("region", region), ("resource", resource), ("start", days.0), ("end", days.1)];
        let command = filled(command, &places);
        if steps.iter().all(|step| step.command != command) {
            steps.push(NextStep { what: (*what).to_owned(), command, source });
        }
        if steps.len() == MOST {
            break;
        }
    }
    steps
}

/// The command with its places filled in, each by one word of a shell. A value that looks like a place is none.
fn filled(command: &str, places: &[(&str, &str)]) -> String {
    let mut parts = command.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let place = part.split_once('}').and_then(|(name, rest)| {
            let (_, value) = places.iter().find(|(place, _)| *place == name)?;
            Some(inert::shell(value) + rest)
        });
        text += &place.unwrap_or_else(|| format!("{{{part}"));
    }
    text
}

/// The name at the end of an ARN; other ids as they are.
fn name_of(resource: &str) -> &str {
    // Names of log groups have slashes of their own.
    if let Some((_, group)) = resource.split_once(":log-group:") {
        return group.trim_end_matches(":*");
    }
    if resource.starts_with("arn:") { resource.rsplit(['/', ':']).next().unwrap_or(resource) } else { resource }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_end_of_arns() {
        assert_eq!(name_of("arn:aws:ec2:us-east-1:222222222222:natgateway/nat-0ab"), "nat-0ab");
        assert_eq!(name_of("arn:aws:lambda:us-east-1:222222222222:function:checkout"), "checkout");
        assert_eq!(name_of("arn:aws:logs:us-east-1:222222222222:log-group:/aws/lambda/x:*"), "/aws/lambda/x");
        assert_eq!(name_of("my-bucket"), "my-bucket");
    }

    #[test]
    fn names_of_a_bill_are_one_word_of_a_shell_each() {
        let command = "aws x --region {region} --dimensions Name=N,Value={resource} --query \"[?a>='{start}'].[b]\"";
        let filled = |region, resource| {
            filled(
                command,
                &[("region", region), ("resource", resource), ("start", "2026-03-01"), ("end", "2026-03-02")],
            )
        };
        assert_eq!(
            filled("us-east-1", "nat-0ab"),
            "aws x --region us-east-1 --dimensions Name=N,Value=nat-0ab --query \"[?a>='2026-03-01'].[b]\""
        );
        let hostile = filled("{resource}", "x; touch\n'pwned'");
        let expected = r"aws x --region '{resource}' --dimensions Name=N,Value='x; touch '\''pwned'\''' --query";
        assert!(hostile.starts_with(expected), "{hostile}");
    }

    #[test]
    fn commands_are_of_the_aws_cli_and_sources_its_documentation() {
        for (_, _, _, command, source) in STEPS {
            assert!(command.starts_with("aws "), "{command}");
            assert!(source.starts_with("https://docs.aws.amazon.com/"), "{source}");
        }
    }
}
