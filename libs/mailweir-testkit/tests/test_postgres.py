"""The PostgreSQL fixture: a real server, one database per test, nothing left behind."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from mailweir_testkit import postgres
from mailweir_testkit.postgres import PostgresUnavailable, postgres_server

pytestmark = pytest.mark.integration


async def ask(url: str, statement: str) -> object:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return (await connection.execute(text(statement))).scalar()
    finally:
        await engine.dispose()


def test_serves_separate_databases_and_cleans_up() -> None:
    with postgres_server() as server:
        with server.database() as one, server.database() as other:
            assert one != other
            assert str(asyncio.run(ask(one, "SELECT version()"))).startswith("PostgreSQL")
            assert asyncio.run(ask(other, "SELECT current_database()")) in other
        home = server.socket_directory
        assert home.is_dir()
    assert not home.exists()


def test_a_wheel_out_of_reach_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    real, refused = postgres._run, []

    def run(command: list[str], as_user: dict[str, object]) -> None:
        if "--version" in command:
            refused.append(command[0])
            raise PostgresUnavailable("permission denied")
        real(command, as_user)

    monkeypatch.setattr(postgres, "_run", run)
    with postgres_server() as server, server.database() as url:
        assert refused
        assert server.binaries.is_relative_to(server.socket_directory)
        assert asyncio.run(ask(url, "SELECT 1")) == 1


def test_a_missing_account_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres.os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "_OTHER_USER", "no-such-account")
    with pytest.raises(PostgresUnavailable, match="no-such-account"), postgres_server():
        pass
