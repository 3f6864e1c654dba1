"""What this run compares with what."""
import pytest

import conftest

pytestmark = [pytest.mark.quick]


def test_server_under_test_is_there():
    if conftest.natterjack_path() is None:
        pytest.skip("needs natterjack: build and stage it, or set NATTERJACK")


def test_reference_is_there():
    if conftest.reference_path() is None:
        pytest.skip(conftest.NEEDS_REFERENCE)
