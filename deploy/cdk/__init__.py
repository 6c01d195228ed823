"""The AWS account around a release: network, Kafka, cluster, stores, roles, alarms, pipeline.

`settings` describes one stage, `app` makes its stacks. `deploy.iam` has the rights of each
process, the chart everything inside the cluster; bootstrap makes topics, feature group and table.
"""
