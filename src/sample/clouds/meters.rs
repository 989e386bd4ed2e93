//! What the made-up company is metered for outside of AWS.

use super::Provider;

/// Something that changes on a day and stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub kind: &'static str,
    /// Days before the end of a bill of 90 days.
    pub before_end: usize,
    /// What the cost is multiplied with, before and from then on.
    pub before: f64,
    pub factor: f64,
}

/// Each on a day of its own, so that nothing moves together.
const fn step(before_end: usize) -> Option<Change> {
    Some(Change { kind: "step", before_end, before: 1.0, factor: 1.8 })
}

const fn new(before_end: usize) -> Option<Change> {
    Some(Change { kind: "new", before_end, before: 0.0, factor: 1.0 })
}

#[derive(Debug)]
pub(super) struct Meter {
    provider: Provider,
    account: usize,
    pub service: &'static str,
    /// Azure's sub-category; the kind of tokens of a model.
    pub family: &'static str,
    pub sku: &'static str,
    pub region: &'static str,
    pub unit: &'static str,
    pub price: f64,
    pub per_day: f64,
    pub resources: usize,
    pub resource: &'static str,
    pub weekend: f64,
    pub noise: f64,
    /// What a reservation costs of the price of pay as you go, where one pays.
    pub reserved: Option<f64>,
    /// What a discount or a promotion takes off, and its type.
    pub credit: f64,
    pub credit_type: &'static str,
    pub team: &'static str,
    pub event: Option<Change>,
}

/// Ids and names of what costs are of, the first of each provider in production.
const AZURE: [(&str, &str); 2] =
    [("8f5e1c5a-0000-4000-8000-000000000001", "acme-prod"), ("8f5e1c5a-0000-4000-8000-000000000002", "acme-dev")];
const GCP: [(&str, &str); 2] = [("acme-prod-4711", "Acme production"), ("acme-ml-0815", "Acme machine learning")];
const OPENAI: [(&str, &str); 2] = [("proj_search", "Search"), ("proj_support", "Support desk")];
const ANTHROPIC: [(&str, &str); 2] = [("wrkspc_agents", "Agents"), ("wrkspc_review", "Code review")];
const LITELLM: [(&str, &str); 2] = [("team-platform", "Platform"), ("team-data", "Data")];

impl Meter {
    /// Id and name of what it is of.
    pub(super) fn account(&self) -> (&'static str, &'static str) {
        match self.provider {
            Provider::Aws | Provider::Azure => AZURE[self.account],
            Provider::Gcp => GCP[self.account],
            Provider::Openai => OPENAI[self.account],
            Provider::Anthropic => ANTHROPIC[self.account],
            Provider::Litellm => LITELLM[self.account],
        }
    }
}

const fn meter(provider: Provider, account: usize, service: &'static str, per_day: f64) -> Meter {
    Meter {
        provider,
        account,
        service,
        family: "",
        sku: "",
        region: "",
        unit: "1 Hour",
        price: 1.0,
        per_day,
        resources: 1,
        resource: "r",
        weekend: 1.0,
        noise: 0.03,
        reserved: None,
        credit: 0.0,
        credit_type: "",
        team: "platform",
        event: None,
    }
}

pub(super) fn of(provider: Provider) -> &'static [Meter] {
    match provider {
        Provider::Aws => &[],
        Provider::Azure => &AZURE_METERS,
        Provider::Gcp => &GCP_METERS,
        Provider::Openai => &OPENAI_METERS,
        Provider::Anthropic => &ANTHROPIC_METERS,
        Provider::Litellm => &LITELLM_METERS,
    }
}

static AZURE_METERS: [Meter; 7] = [
    Meter {
        family: "Dv5 Series",
        sku: "D4 v5",
        region: "eastus",
        price: 0.192,
        resources: 4,
        resource: "Microsoft.Compute/virtualMachines/web",
        weekend: 0.9,
        team: "web",
        ..meter(Provider::Azure, 0, "Virtual Machines", 140.0)
    },
    Meter {
        family: "Ev5 Series",
        sku: "E8 v5",
        region: "eastus",
        price: 0.504,
        resources: 2,
        resource: "Microsoft.Compute/virtualMachines/cache",
        noise: 0.01,
        reserved: Some(0.6),
        ..meter(Provider::Azure, 0, "Virtual Machines", 48.0)
    },
    Meter {
        family: "Premium SSD Managed Disks",
        sku: "P30 LRS Disk",
        region: "eastus",
        unit: "1/Month",
        price: 122.88,
        resources: 2,
        resource: "Microsoft.Compute/disks/data",
        noise: 0.01,
        ..meter(Provider::Azure, 0, "Storage", 24.0)
    },
    Meter {
        family: "Single/Elastic Pool General Purpose",
        sku: "vCore",
        region: "westeurope",
        price: 0.126,
        resource: "Microsoft.Sql/servers/orders",
        event: step(21),
        team: "orders",
        ..meter(Provider::Azure, 0, "SQL Database", 60.0)
    },
    Meter {
        family: "Log Analytics",
        sku: "Pay-as-you-go Data Ingestion",
        region: "westeurope",
        unit: "1 GB",
        price: 2.76,
        resource: "Microsoft.OperationalInsights/workspaces/logs",
        noise: 0.05,
        ..meter(Provider::Azure, 1, "Log Analytics", 18.0)
    },
    Meter {
        family: "Azure OpenAI",
        sku: "gpt 5 Inp glbl Tokens",
        region: "swedencentral",
        unit: "1K",
        price: 0.00125,
        resource: "Microsoft.CognitiveServices/accounts/chat",
        noise: 0.08,
        event: new(7),
        ..meter(Provider::Azure, 1, "Foundry Models", 55.0)
    },
    Meter {
        family: "Rtn Preference: MGN",
        sku: "Standard Data Transfer Out",
        region: "eastus",
        unit: "1 GB",
        price: 0.087,
        resource: "Microsoft.Network/publicIPAddresses/edge",
        noise: 0.06,
        ..meter(Provider::Azure, 0, "Bandwidth", 12.0)
    },
];

static GCP_METERS: [Meter; 7] = [
    Meter {
        sku: "N2 Instance Core running in Americas",
        region: "us-central1",
        unit: "hour",
        price: 0.031611,
        resources: 4,
        resource: "projects/acme-prod-4711/instances/web",
        weekend: 0.9,
        credit: 0.2,
        credit_type: "SUSTAINED_USAGE_DISCOUNT",
        team: "web",
        ..meter(Provider::Gcp, 0, "Compute Engine", 96.0)
    },
    Meter {
        sku: "N2 Instance Ram running in Americas",
        region: "us-central1",
        unit: "gibibyte hour",
        price: 0.004237,
        resources: 4,
        resource: "projects/acme-prod-4711/instances/web",
        weekend: 0.9,
        credit: 0.2,
        credit_type: "SUSTAINED_USAGE_DISCOUNT",
        team: "web",
        ..meter(Provider::Gcp, 0, "Compute Engine", 52.0)
    },
    Meter {
        sku: "Analysis (us)",
        region: "us",
        unit: "tebibyte",
        price: 6.25,
        resource: "projects/acme-ml-0815/jobs/q",
        noise: 0.06,
        event: step(26),
        team: "data",
        ..meter(Provider::Gcp, 1, "BigQuery", 44.0)
    },
    Meter {
        sku: "Standard Storage US Multi-region",
        region: "us",
        unit: "gibibyte month",
        price: 0.026,
        resources: 2,
        resource: "acme-lake",
        noise: 0.01,
        team: "data",
        ..meter(Provider::Gcp, 1, "Cloud Storage", 21.0)
    },
    Meter {
        sku: "CPU Allocation Time",
        region: "europe-west1",
        unit: "second",
        price: 0.000024,
        resource: "projects/acme-prod-4711/services/api",
        noise: 0.05,
        credit: 0.1,
        credit_type: "FREE_TIER",
        ..meter(Provider::Gcp, 0, "Cloud Run", 15.0)
    },
    Meter {
        sku: "Gemini 3 Pro Text Input - Predictions",
        region: "global",
        unit: "count",
        price: 0.00000125,
        resource: "projects/acme-ml-0815/endpoints/chat",
        noise: 0.07,
        event: new(10),
        team: "data",
        ..meter(Provider::Gcp, 1, "Vertex AI", 38.0)
    },
    Meter {
        sku: "Cloud SQL for PostgreSQL: Zonal - vCPU",
        region: "us-central1",
        unit: "hour",
        price: 0.0413,
        resource: "acme-prod-4711:orders",
        noise: 0.01,
        credit: 0.5,
        credit_type: "PROMOTION",
        team: "orders",
        ..meter(Provider::Gcp, 0, "Cloud SQL", 30.0)
    },
];

static OPENAI_METERS: [Meter; 4] = [
    Meter {
        sku: "gpt-5-2025-08-07, input",
        unit: "tokens",
        price: 0.00000125,
        weekend: 0.5,
        noise: 0.06,
        ..meter(Provider::Openai, 0, "gpt-5-2025-08-07", 22.0)
    },
    Meter {
        sku: "gpt-5-2025-08-07, output",
        unit: "tokens",
        price: 0.00001,
        weekend: 0.5,
        noise: 0.06,
        event: step(29),
        ..meter(Provider::Openai, 0, "gpt-5-2025-08-07", 35.0)
    },
    Meter {
        sku: "text-embedding-3-large",
        unit: "tokens",
        price: 0.00000013,
        noise: 0.08,
        ..meter(Provider::Openai, 0, "text-embedding-3-large", 4.0)
    },
    Meter {
        sku: "gpt-5-mini-2025-08-07, input",
        unit: "tokens",
        price: 0.00000025,
        weekend: 0.7,
        noise: 0.06,
        ..meter(Provider::Openai, 1, "gpt-5-mini-2025-08-07", 9.0)
    },
];

static ANTHROPIC_METERS: [Meter; 4] = [
    Meter {
        family: "uncached_input_tokens",
        sku: "claude-opus-4-5",
        unit: "tokens",
        price: 0.000005,
        weekend: 0.4,
        noise: 0.07,
        ..meter(Provider::Anthropic, 0, "claude-opus-4-5", 26.0)
    },
    Meter {
        family: "output_tokens",
        sku: "claude-opus-4-5",
        unit: "tokens",
        price: 0.000025,
        weekend: 0.4,
        noise: 0.07,
        event: step(31),
        ..meter(Provider::Anthropic, 0, "claude-opus-4-5", 41.0)
    },
    Meter {
        family: "cache_read_input_tokens",
        sku: "claude-opus-4-5",
        unit: "tokens",
        price: 0.0000005,
        weekend: 0.4,
        noise: 0.07,
        ..meter(Provider::Anthropic, 0, "claude-opus-4-5", 8.0)
    },
    Meter {
        family: "output_tokens",
        sku: "claude-haiku-4-5",
        unit: "tokens",
        price: 0.000005,
        noise: 0.06,
        ..meter(Provider::Anthropic, 1, "claude-haiku-4-5", 12.0)
    },
];

static LITELLM_METERS: [Meter; 3] = [
    Meter {
        family: "openai",
        sku: "gpt-5",
        unit: "tokens",
        price: 0.000004,
        weekend: 0.6,
        noise: 0.06,
        event: step(33),
        ..meter(Provider::Litellm, 0, "gpt-5", 30.0)
    },
    Meter {
        family: "anthropic",
        sku: "claude-haiku-4-5",
        unit: "tokens",
        price: 0.000003,
        noise: 0.06,
        ..meter(Provider::Litellm, 1, "claude-haiku-4-5", 11.0)
    },
    Meter {
        family: "vertex_ai",
        sku: "gemini-3-pro",
        unit: "tokens",
        price: 0.000002,
        noise: 0.06,
        ..meter(Provider::Litellm, 1, "gemini-3-pro", 6.0)
    },
];
