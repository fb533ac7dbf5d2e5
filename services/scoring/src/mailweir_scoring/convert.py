"""A judgement as its proto."""

from mailweir.common.v1 import common_pb2
from mailweir.scoring.v1 import scoring_pb2
from mailweir_policy import Thresholds
from mailweir_runtime.convert import lookup_to_proto, signal_to_proto, status_to_proto
from mailweir_scoring.policy.judgement import Judgement, StageRun


def result_to_proto(judgement: Judgement) -> scoring_pb2.ScoreResult:
    """Return the proto of a judgement."""
    verdict, summary = judgement.verdict, judgement.summary
    return scoring_pb2.ScoreResult(
        status=status_to_proto(judgement.status),
        score=verdict.score,
        action=verdict.action,
        reason=verdict.reason,
        signals=[signal_to_proto(s) for s in verdict.signals],
        stages=[_stage(s) for s in judgement.stages],
        headers=[common_pb2.HeaderField(name=f.name, value=f.value) for f in judgement.headers],
        thresholds=_thresholds(judgement.thresholds),
        config_version=judgement.versions.config,
        rules_version=judgement.versions.rules,
        model_version=judgement.versions.model,
        subject=summary.subject,
        message_id=summary.message_id,
        from_address=summary.from_address,
        detail=judgement.detail,
        lookups=[lookup_to_proto(item) for item in judgement.lookups],
        counterfactual=judgement.counterfactual,
    )


def _stage(run: StageRun) -> scoring_pb2.StageReport:
    return scoring_pb2.StageReport(
        stage=run.stage,
        status=status_to_proto(run.status),
        seconds=run.seconds,
        detail=run.detail,
    )


def _thresholds(thresholds: Thresholds) -> scoring_pb2.Thresholds:
    """Return the proto; a field that is None stays absent: switched off."""
    return scoring_pb2.Thresholds(
        tag=thresholds.tag, quarantine=thresholds.quarantine, reject=thresholds.reject
    )
