"""Dashboard, alarms and budget: what a person looks at, and what calls one."""

from collections.abc import Iterator

from aws_cdk import Duration
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from deploy.cdk.settings import Settings
from deploy.iam.site import Site
from txfeatures.domain.topics import AGGREGATED, DEDUPED, PARTIALS, RAW

STAGES = (RAW, DEDUPED, PARTIALS, AGGREGATED)
MINUTE = Duration.minutes(1)
FIVE_MINUTES = Duration.minutes(5)

STORE_NAMESPACE = "AWS/SageMaker/FeatureStore"
"""AWS's page of Feature Store's metrics names no namespace: docs/reference/aws-doubts.md."""

STORE_CALLS = ("PutRecord", "BatchWriteRecord")


class Watching(Construct):
    """Dashboard, alarms and budget of a stage."""

    def __init__(
        self, scope: Construct, identifier: str, *, settings: Settings, site: Site, key: kms.IKey
    ) -> None:
        super().__init__(scope, identifier)
        self._settings = settings
        self._group = site.feature_group
        self._alarms_go_to = self._topic(key)
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=settings.name,
            default_interval=Duration.hours(3),
            widgets=[[self._bytes()], [self._rows()]],
        )
        for alarm in self._alarms():
            alarm.add_alarm_action(actions.SnsAction(self._alarms_go_to))
            alarm.add_ok_action(actions.SnsAction(self._alarms_go_to))
        self._budget()

    def _topic(self, key: kms.IKey) -> sns.Topic:
        topic = sns.Topic(
            self,
            "Alarms",
            topic_name=f"{self._settings.name}-alarms",
            master_key=key,
            enforce_ssl=True,
        )
        topic.add_subscription(subscriptions.EmailSubscription(self._settings.mail))
        key.grant_encrypt_decrypt(
            iam.ServicePrincipal(
                "cloudwatch.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": self._settings.account}},
            )
        )
        return topic

    def _bytes(self) -> cloudwatch.GraphWidget:
        """Return the seed's first widget: bytes that enter each stage's topic."""
        cluster = self._settings.name
        if self._settings.topic_metrics:
            schema, label = (
                'AWS/Kafka,"Broker ID","Cluster Name",Topic',
                "bytes per second by stage",
            )
            lines = {
                stage: f'MetricName="BytesInPerSec" "Cluster Name"="{cluster}" Topic="{stage}"'
                for stage in STAGES
            }
        else:
            schema, label = 'AWS/Kafka,"Broker ID","Cluster Name"', "bytes per second"
            lines = {"all topics": f'MetricName="BytesInPerSec" "Cluster Name"="{cluster}"'}
        return cloudwatch.GraphWidget(
            title=f"Kafka: {label}",
            width=24,
            left=[
                cloudwatch.MathExpression(
                    expression=f"SUM(SEARCH('{{{schema}}} {terms}', 'Average', 60))",
                    using_metrics={},
                    label=stage,
                    period=MINUTE,
                )
                for stage, terms in lines.items()
            ],
            left_y_axis=cloudwatch.YAxisProps(min=0, label="bytes/s", show_units=False),
        )

    def _rows(self) -> cloudwatch.GraphWidget:
        """Return the seed's second widget: rows that the Feature Store has accepted."""
        return cloudwatch.GraphWidget(
            title="Feature Store: rows per minute",
            width=24,
            left=[self._accepted(MINUTE)],
            left_y_axis=cloudwatch.YAxisProps(min=0, label="rows/min", show_units=False),
        )

    def _accepted(self, period: Duration) -> cloudwatch.MathExpression:
        """Return the rows accepted in a period: a row is below 1 KB, hence one write unit."""
        calls = {
            f"m{number}": cloudwatch.Metric(
                namespace=STORE_NAMESPACE,
                metric_name="ConsumedWriteRequestsUnits",
                dimensions_map={"FeatureGroupName": self._group, "OperationName": call},
                statistic="Sum",
                period=period,
            )
            for number, call in enumerate(STORE_CALLS)
        }
        return cloudwatch.MathExpression(
            expression=" + ".join(f"FILL({name}, 0)" for name in calls),
            using_metrics=calls,
            label="rows",
            period=period,
        )

    def _alarms(self) -> Iterator[cloudwatch.Alarm]:
        yield self._accepted(FIVE_MINUTES).create_alarm(
            self,
            "NoRows",
            alarm_description="No row has reached the Feature Store for 15 minutes; "
            "docs/how-to/alerts.md has the next steps.",
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            evaluation_periods=3,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        yield self._kafka("OfflinePartitionsCount", "Maximum").create_alarm(
            self,
            "OfflinePartitions",
            alarm_description="Partitions have no leader: nobody can write or read them.",
            threshold=1,
            evaluation_periods=2,
        )
        for broker in map(str, range(1, len(self._settings.zones) + 1)):
            yield self._kafka("KafkaDataLogsDiskUsed", "Maximum", broker).create_alarm(
                self,
                f"Disk{broker}",
                alarm_description=f"Broker {broker} has used 80 % of its disk; enlarge it, or keep "
                "topics for less time.",
                threshold=80,
                evaluation_periods=2,
            )
            yield self._kafka("CPUCreditBalance", "Minimum", broker).create_alarm(
                self,
                f"Credits{broker}",
                alarm_description=f"Broker {broker} has few CPU credits left; take a larger kind.",
                comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                threshold=50,
                evaluation_periods=3,
            )

    def _kafka(self, name: str, statistic: str, broker: str | None = None) -> cloudwatch.Metric:
        dimensions = {"Cluster Name": self._settings.name}
        return cloudwatch.Metric(
            namespace="AWS/Kafka",
            metric_name=name,
            dimensions_map=dimensions | ({"Broker ID": broker} if broker else {}),
            statistic=statistic,
            period=FIVE_MINUTES,
        )

    def _budget(self) -> None:
        """Warn by mail of what is spent, and of what the month will come to."""
        reader = budgets.CfnBudget.SubscriberProperty(
            subscription_type="EMAIL", address=self._settings.mail
        )
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=self._settings.name,
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=self._settings.budget_usd, unit="USD"
                ),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[reader],
                )
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )
