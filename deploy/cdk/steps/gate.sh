#!/bin/sh
# Start the stage's own gate, which is inside its network, and end as it ends. Needs PROJECT.
set -eu

build=$(aws codebuild start-build --project-name "$PROJECT" --query build.id --output text)
while status=$(aws codebuild batch-get-builds --ids "$build" --query 'builds[0].buildStatus' --output text); do
  case $status in
    IN_PROGRESS) sleep 10 ;;
    SUCCEEDED) exit 0 ;;
    *)
      echo "$build ended with $status; its log has the reason" >&2
      exit 1
      ;;
  esac
done
