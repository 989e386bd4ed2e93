//! The made-up company: accounts and what they are metered for.

/// Account ids and names; the payer's begins with a zero, as some do.
pub(super) const ACCOUNTS: [(&str, &str); 4] = [
    ("012345678901", "acme-management"),
    ("222222222222", "acme-production"),
    ("333333333333", "acme-staging"),
    ("444444444444", "acme-data"),
];
/// The index of the account that pays.
pub(super) const PAYER: usize = 0;

/// How a meter's usage is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    None,
    Reserved,
    SavingsPlan,
    /// On demand, most of it paid by a promotional credit.
    Credited,
}

/// Something that AWS meters for an account.
#[derive(Debug)]
pub(crate) struct Meter {
    pub account: usize,
    pub service: &'static str,
    pub product_name: &'static str,
    pub region: &'static str,
    pub usage_type: &'static str,
    pub operation: &'static str,
    pub unit: &'static str,
    /// List price of a unit.
    pub price: f64,
    /// List price of a working day.
    pub per_day: f64,
    pub resources: usize,
    pub arn: &'static str,
    pub coverage: Coverage,
    pub weekend: f64,
    pub month_end: f64,
    /// Standard deviation of a day, relative.
    pub noise: f64,
    pub team: &'static str,
}

impl Meter {
    pub(crate) fn lines_per_hour(&self) -> usize {
        self.resources
            * match self.coverage {
                Coverage::None | Coverage::Reserved => 1,
                Coverage::Credited => 2,
                Coverage::SavingsPlan => 3,
            }
    }

    pub(crate) fn environment(&self) -> &'static str {
        match self.account {
            1 => "production",
            2 => "staging",
            _ => "shared",
        }
    }
}

/// The monthly support fee.
pub(super) static SUPPORT: Meter = Meter {
    account: PAYER,
    service: "AWSSupportBusiness",
    product_name: "AWS Support (Business)",
    region: "",
    usage_type: "Dollar",
    operation: "",
    unit: "Dollars",
    arn: "",
    team: "",
    ..meter(PAYER, "AWSSupportBusiness", "")
};

const fn meter(account: usize, service: &'static str, region: &'static str) -> Meter {
    Meter {
        account,
        service,
        product_name: "",
        region,
        usage_type: "",
        operation: "",
        unit: "",
        price: 1.0,
        per_day: 0.0,
        resources: 1,
        arn: "",
        coverage: Coverage::None,
        weekend: 1.0,
        month_end: 1.0,
        noise: 0.03,
        team: "platform",
    }
}

const EC2: &str = "Amazon Elastic Compute Cloud";
const INSTANCE: &str = "i-0";

pub(super) static METERS: [Meter; 25] = [
    Meter {
        product_name: EC2,
        usage_type: "BoxUsage:m5.large",
        operation: "RunInstances",
        unit: "Hrs",
        price: 0.096,
        per_day: 184.0,
        resources: 4,
        arn: INSTANCE,
        weekend: 0.88,
        team: "web",
        ..meter(1, "AmazonEC2", "us-east-1")
    },
    Meter {
        product_name: EC2,
        usage_type: "BoxUsage:m5.xlarge",
        operation: "RunInstances",
        unit: "Hrs",
        price: 0.192,
        per_day: 92.0,
        resources: 2,
        arn: INSTANCE,
        coverage: Coverage::Reserved,
        noise: 0.01,
        ..meter(1, "AmazonEC2", "us-east-1")
    },
    Meter {
        product_name: EC2,
        usage_type: "BoxUsage:c6i.large",
        operation: "RunInstances",
        unit: "Hrs",
        price: 0.085,
        per_day: 61.0,
        resources: 2,
        arn: INSTANCE,
        coverage: Coverage::SavingsPlan,
        noise: 0.01,
        ..meter(1, "AmazonEC2", "us-east-1")
    },
    Meter {
        product_name: EC2,
        usage_type: "EBS:VolumeUsage.gp3",
        operation: "CreateVolume-Gp3",
        unit: "GB-Mo",
        price: 0.08,
        per_day: 22.0,
        resources: 3,
        arn: "vol-0",
        noise: 0.01,
        ..meter(1, "AmazonEC2", "us-east-1")
    },
    Meter {
        product_name: EC2,
        usage_type: "NatGateway-Bytes",
        operation: "NatGateway",
        unit: "GB",
        price: 0.045,
        per_day: 18.0,
        arn: "arn:aws:ec2:us-east-1:222222222222:natgateway/nat-0",
        noise: 0.06,
        ..meter(1, "AmazonEC2", "us-east-1")
    },
    Meter {
        product_name: EC2,
        usage_type: "EUC1-BoxUsage:t3.medium",
        operation: "RunInstances",
        unit: "Hrs",
        price: 0.048,
        per_day: 23.0,
        resources: 2,
        arn: INSTANCE,
        weekend: 0.6,
        team: "web",
        ..meter(2, "AmazonEC2", "eu-central-1")
    },
    Meter {
        product_name: EC2,
        usage_type: "BoxUsage:t3.small",
        operation: "RunInstances",
        unit: "Hrs",
        price: 0.0208,
        per_day: 9.0,
        arn: INSTANCE,
        coverage: Coverage::Credited,
        ..meter(2, "AmazonEC2", "us-east-1")
    },
    Meter {
        product_name: "AWS Data Transfer",
        usage_type: "DataTransfer-Out-Bytes",
        operation: "RunInstances",
        unit: "GB",
        price: 0.09,
        per_day: 27.0,
        noise: 0.07,
        ..meter(1, "AWSDataTransfer", "us-east-1")
    },
    Meter {
        product_name: "Amazon Relational Database Service",
        usage_type: "InstanceUsage:db.r5.large",
        operation: "CreateDBInstance:0014",
        unit: "Hrs",
        price: 0.25,
        per_day: 48.0,
        resources: 2,
        arn: "arn:aws:rds:us-east-1:222222222222:db:orders-",
        noise: 0.015,
        team: "orders",
        ..meter(1, "AmazonRDS", "us-east-1")
    },
    Meter {
        product_name: "Amazon Relational Database Service",
        usage_type: "EUC1-InstanceUsage:db.t3.medium",
        operation: "CreateDBInstance:0014",
        unit: "Hrs",
        price: 0.068,
        per_day: 6.5,
        arn: "arn:aws:rds:eu-central-1:333333333333:db:orders-",
        team: "orders",
        ..meter(2, "AmazonRDS", "eu-central-1")
    },
    Meter {
        product_name: "Amazon Simple Storage Service",
        usage_type: "TimedStorage-ByteHrs",
        operation: "StandardStorage",
        unit: "GB-Mo",
        price: 0.023,
        per_day: 31.0,
        resources: 2,
        arn: "acme-lake-",
        noise: 0.01,
        team: "data",
        ..meter(3, "AmazonS3", "us-east-1")
    },
    Meter {
        product_name: "Amazon Simple Storage Service",
        usage_type: "Requests-Tier1",
        operation: "PutObject",
        unit: "Requests",
        price: 0.000005,
        per_day: 7.0,
        arn: "acme-lake-",
        noise: 0.08,
        team: "data",
        ..meter(3, "AmazonS3", "us-east-1")
    },
    Meter {
        product_name: "AWS Lambda",
        usage_type: "Lambda-GB-Second",
        operation: "Invoke",
        unit: "Lambda-GB-Second",
        price: 0.0000166667,
        per_day: 14.0,
        resources: 2,
        arn: "arn:aws:lambda:us-east-1:222222222222:function:checkout-",
        noise: 0.06,
        team: "orders",
        ..meter(1, "AWSLambda", "us-east-1")
    },
    Meter {
        product_name: "Amazon DynamoDB",
        usage_type: "PayPerRequestThroughput",
        operation: "PutItem",
        unit: "WriteRequestUnits",
        price: 0.00000125,
        per_day: 19.0,
        arn: "arn:aws:dynamodb:us-east-1:222222222222:table/carts-",
        noise: 0.05,
        team: "orders",
        ..meter(1, "AmazonDynamoDB", "us-east-1")
    },
    Meter {
        product_name: "AmazonCloudWatch",
        usage_type: "DataProcessing-Bytes",
        operation: "PutLogEvents",
        unit: "GB",
        price: 0.5,
        per_day: 16.0,
        arn: "arn:aws:logs:us-east-1:222222222222:log-group:/app/",
        noise: 0.04,
        ..meter(1, "AmazonCloudWatch", "us-east-1")
    },
    Meter {
        product_name: "AWS Glue",
        usage_type: "EUC1-ETL-DPU-Hour",
        operation: "Jobrun",
        unit: "DPU-Hour",
        price: 0.44,
        per_day: 21.0,
        arn: "arn:aws:glue:eu-central-1:333333333333:job/nightly-",
        noise: 0.05,
        team: "data",
        ..meter(2, "AWSGlue", "eu-central-1")
    },
    Meter {
        product_name: "AWS Glue",
        usage_type: "EUC1-ETL-DPU-Hour",
        operation: "Jobrun",
        unit: "DPU-Hour",
        price: 0.44,
        per_day: 21.0,
        arn: "arn:aws:glue:eu-central-1:444444444444:job/nightly-",
        noise: 0.05,
        team: "data",
        ..meter(3, "AWSGlue", "eu-central-1")
    },
    Meter {
        product_name: "Amazon Elastic MapReduce",
        usage_type: "BoxUsage:m5.xlarge",
        operation: "RunInstances",
        unit: "Hrs",
        price: 0.048,
        per_day: 12.0,
        arn: "arn:aws:elasticmapreduce:us-east-1:444444444444:cluster/j-",
        month_end: 3.0,
        team: "data",
        ..meter(3, "ElasticMapReduce", "us-east-1")
    },
    Meter {
        product_name: "Amazon Elastic Container Service for Kubernetes",
        usage_type: "AmazonEKS-Hours:perCluster",
        operation: "CreateOperation",
        unit: "Hours",
        price: 0.1,
        per_day: 4.8,
        resources: 2,
        arn: "arn:aws:eks:us-east-1:222222222222:cluster/",
        noise: 0.0,
        ..meter(1, "AmazonEKS", "us-east-1")
    },
    Meter {
        product_name: "Amazon ElastiCache",
        usage_type: "NodeUsage:cache.r6g.large",
        operation: "CreateCacheCluster:0002",
        unit: "Hrs",
        price: 0.206,
        per_day: 9.9,
        arn: "arn:aws:elasticache:us-east-1:222222222222:cluster:sessions-",
        noise: 0.01,
        team: "web",
        ..meter(1, "AmazonElastiCache", "us-east-1")
    },
    Meter {
        product_name: "Amazon Redshift",
        usage_type: "Node:ra3.xlplus",
        operation: "RunComputeNode:0001",
        unit: "Hrs",
        price: 1.086,
        per_day: 52.0,
        resources: 2,
        arn: "arn:aws:redshift:us-east-1:444444444444:cluster:reports-",
        noise: 0.01,
        team: "data",
        ..meter(3, "AmazonRedshift", "us-east-1")
    },
    Meter {
        product_name: "Amazon SageMaker",
        usage_type: "Host:ml.g5.xlarge",
        operation: "RunInstance",
        unit: "Hrs",
        price: 1.408,
        per_day: 33.8,
        arn: "arn:aws:sagemaker:us-east-1:444444444444:endpoint/ranker-",
        noise: 0.02,
        team: "data",
        ..meter(3, "AmazonSageMaker", "us-east-1")
    },
    Meter {
        product_name: "AWS Key Management Service",
        usage_type: "KMS-Requests",
        operation: "Decrypt",
        unit: "Requests",
        price: 0.000003,
        per_day: 2.2,
        arn: "arn:aws:kms:us-east-1:222222222222:key/",
        noise: 0.05,
        ..meter(1, "awskms", "us-east-1")
    },
    Meter {
        product_name: "Amazon Virtual Private Cloud",
        usage_type: "PublicIPv4:InUseAddress",
        operation: "AllocateAddressVPC",
        unit: "Hrs",
        price: 0.005,
        per_day: 3.6,
        resources: 3,
        arn: "eipalloc-0",
        noise: 0.0,
        ..meter(1, "AmazonVPC", "us-east-1")
    },
    Meter {
        product_name: "Amazon GuardDuty",
        usage_type: "PaidEventsAnalyzed",
        operation: "",
        unit: "Events",
        price: 0.000004,
        per_day: 5.5,
        noise: 0.05,
        team: "",
        ..meter(PAYER, "AmazonGuardDuty", "us-east-1")
    },
];

/// Larger instances of the web servers, which only a planted cause starts.
pub(super) static LARGE: Meter = Meter {
    product_name: EC2,
    usage_type: "BoxUsage:m5.2xlarge",
    operation: "RunInstances",
    unit: "Hrs",
    price: 0.384,
    per_day: 184.0,
    resources: 4,
    arn: INSTANCE,
    weekend: 0.88,
    team: "web",
    ..meter(1, "AmazonEC2", "us-east-1")
};
