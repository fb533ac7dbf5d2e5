"""The wiring of the scoring service."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import grpc.aio

from mailweir.scoring.v1 import scoring_pb2_grpc
from mailweir_model import InvalidArtefactError, Model, shipped
from mailweir_model.fingerprint import FuzzyBook
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import ConfigWatch, PolicySnapshot
from mailweir_runtime.dns import open_resolver, read_keys
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc import serve
from mailweir_scoring.adapters.campaigns import LocalCounts, SharedCounts
from mailweir_scoring.adapters.clamd import ClamdScanner
from mailweir_scoring.adapters.fuzzy import BookKeeper
from mailweir_scoring.adapters.resolver import dns_answerers
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.adapters.spamassassin import RuleWatch, read_spamassassin
from mailweir_scoring.adapters.workers import ThreadWorkers
from mailweir_scoring.engine import Engine
from mailweir_scoring.metrics import Metrics, declare
from mailweir_scoring.policy.antivirus import ScanQuestion
from mailweir_scoring.policy.campaign.model import CampaignQuestion
from mailweir_scoring.policy.kit import Kit, with_rules
from mailweir_scoring.policy.lists import ListQuery
from mailweir_scoring.policy.made import rules_of_policy
from mailweir_scoring.policy.pipeline import symbols_of, unknown_names
from mailweir_scoring.policy.ruleset import InvalidRulesError, RuleSet, read_rules
from mailweir_scoring.policy.spamassassin import SpamAssassin
from mailweir_scoring.policy.stages import STAGES, stages_with
from mailweir_scoring.ports import Answerer, RuleSource, RulesUnreadable, Workers
from mailweir_scoring.service import ScoringService
from mailweir_scoring.settings import Settings
from mailweir_scoring.walk import Tools

MAX_NAMES: Final = 20
_log = get_logger(__name__)


async def main(rt: Runtime, settings: Settings) -> None:
    """Serve until the process is told to stop."""
    kit = await asyncio.to_thread(load_kit, settings)  # seconds, with SpamAssassin's rules
    workers = ThreadWorkers(settings.threads)
    metrics = declare(rt.registry)
    keys = load_keys(settings)
    async with (
        connect_bus(rt) as bus,
        ConfigWatch(rt, bus) as config,
        open_resolver(settings.dns, clock=rt.clock, metrics=metrics.dns) as resolver,
    ):
        try:
            await config.first(settings.connect_seconds)
        except BusUnavailable as error:
            raise StartupError(f"no policy: {error}") from error
        config.subscribe(partial(warn_of_unknown_names, kit))
        counts = SharedCounts(bus, rt.instance, metrics.campaigns)
        answerers = {
            **answerers_of(settings, counts),
            **dns_answerers(resolver, rt.clock, metrics.lists, keys),
        }
        engine = build_engine(rt, settings, kit, workers, metrics=metrics, answerers=answerers)
        keeper = BookKeeper(bus, metrics.campaigns, partial(use_book, engine))
        service = ScoringService(engine, config, settings.batch_items, settings.reply_seconds)

        def register(server: grpc.aio.Server) -> None:
            scoring_pb2_grpc.add_ScoringServiceServicer_to_server(service, server)

        model = kit.model.version if kit.model is not None else ""
        beat = heartbeat(rt, bus, config, rules=kit.rules.version, model=model)
        async with (
            rt.background(beat, name="heartbeat"),
            rt.background(counts.run(), name="campaigns"),
            rt.background(keeper.run(), name="fuzzy"),
            serve(rt, settings.listen, register),
        ):
            rt.ready()
            await rt.stopping.wait()
    workers.close()


def load_kit(settings: Settings) -> Kit:
    """Return what mail is judged with, fuzzy labels still missing; raises StartupError."""
    own = settings.rules_dir
    rules = load_rules(DirectoryRules(own) if own else DirectoryRules.shipped())
    return Kit(rules, model=load_model(), spamassassin=load_spamassassin(settings, rules))


def load_rules(source: RuleSource) -> RuleSet:
    """Return the rules; raises StartupError with a line for each thing that is wrong."""
    try:
        return read_rules(source.read(), symbols_of(STAGES))
    except (RulesUnreadable, InvalidRulesError) as error:
        raise StartupError(f"rules: {error}") from error


def load_spamassassin(settings: Settings, rules: RuleSet) -> SpamAssassin | None:
    """Return SpamAssassin's rules, None where no directory is named; raises StartupError as `load_rules`."""
    if not settings.spamassassin_dir:
        return None
    directories = tuple(map(Path, settings.spamassassin_dir))
    try:
        return read_spamassassin(
            directories, rules.rules.keys(), cache=settings.spamassassin_cache_dir
        )
    except RulesUnreadable as error:
        raise StartupError(f"spamassassin_dir: {error}") from error


def load_model() -> Model:
    """Return the prior that is shipped; raises StartupError where its file is damaged."""
    try:
        return shipped()
    except (OSError, InvalidArtefactError) as error:
        raise StartupError(f"model: {error}") from error


def load_keys(settings: Settings) -> dict[str, str]:
    """Return the keys of DNS lists; raises StartupError where they cannot be read."""
    try:
        return read_keys(settings.list_keys_dir)
    except (OSError, ValueError) as error:
        raise StartupError(f"list_keys_dir: {error}") from error


def warn_of_unknown_names(kit: Kit, current: PolicySnapshot) -> None:
    """Log what the policy names and nothing here has; it is no error, since rules come and go."""
    scoring = current.policy.scoring
    rules = with_rules(kit.rules, rules_of_policy(scoring, kit.spamassassin))
    names = unknown_names(scoring, STAGES, rules)
    if names:
        _log.warning("policy_names_unknown", version=current.version, names=names[:MAX_NAMES])


def build_engine(
    rt: Runtime,
    settings: Settings,
    kit: Kit,
    workers: Workers,
    *,
    metrics: Metrics | None = None,
    answerers: Mapping[type, Answerer] | None = None,
) -> Engine:
    """Return the engine, its metrics on the runtime's registry. Without an answerer nothing is asked."""
    known, metrics = answerers or {}, metrics or declare(rt.registry)
    watch = RuleWatch(metrics.spamassassin)
    watch.loaded(kit.spamassassin)
    return Engine(
        Tools(
            stages=stages_with(
                scanner=ScanQuestion in known,
                resolver=ListQuery in known,
                spamassassin=kit.spamassassin is not None,
            ),
            workers=workers,
            clock=rt.clock,
            metrics=metrics,
            inline_bytes=settings.inline_bytes,
            program=rt.version,
            answerers={CampaignQuestion: LocalCounts(), **known},
            policy_rules=partial(rules_of_policy, module=kit.spamassassin),
            rules_ran=watch.ran,
        ),
        kit,
    )


def answerers_of(settings: Settings, counts: Answerer) -> dict[type, Answerer]:
    """Return who answers what; a virus scanner only where the settings name one."""
    answerers: dict[type, Answerer] = {CampaignQuestion: counts}
    if settings.clamd:
        answerers[ScanQuestion] = ClamdScanner(settings.clamd)
    return answerers


def use_book(engine: Engine, book: FuzzyBook) -> None:
    """Judge with a new book from the next message on."""
    engine.kit = replace(engine.kit, fuzzy=book)
