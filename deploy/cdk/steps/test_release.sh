#!/bin/sh
# Examine a release with `txfeatures doctor`, then request its latest row: the chart's own tests.
# Needs CLUSTER, RELEASE, NAMESPACE, and LAYER: the ARN of the stack's layer with helm in it.
set -eu

archive=$(aws lambda get-layer-version-by-arn --arn "$LAYER" --query Content.Location --output text)
curl --silent --show-error --fail --output layer.zip "$archive"
unzip -q -o layer.zip 'helm/*'
aws eks update-kubeconfig --name "$CLUSTER"
helm/helm test "$RELEASE" --namespace "$NAMESPACE" --logs --timeout 10m
