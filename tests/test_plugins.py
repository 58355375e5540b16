from __future__ import annotations

import json
import sys
import time
import warnings

import pytest

from medigan_hub import Hub, HubWarning, PluginError, plugins, writers
from medigan_hub.catalogue import Catalogue


def names(found):
    return {plugin.metadata.name for plugin in found}


def test_an_installed_plugin_is_found_without_being_imported(install):
    install(code="raise RuntimeError('must not be imported')")
    found, broken = plugins.discover()
    assert "toy-noise" in names(found)
    assert broken == []
    assert "medigan_model_toy_noise" not in sys.modules


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"document": "{"}, "is not JSON"),
        ({"document": "{}"}, "lacks schema_version, name"),
        ({"document": {"name": "x"}}, "lacks"),
    ],
)
def test_a_plugin_with_broken_metadata_is_named_and_harms_no_other(install, fault, reason):
    install("toy-noise")
    install("toy-broken", **fault)
    with pytest.warns(HubWarning, match="plugin toy-broken .* is not usable") as caught:
        hub = Hub()
    assert reason in str(caught[0].message)
    assert next(iter(hub.generate("toy-noise", 1))).arrays["image"].shape == (1, 8, 6, 1)
    with pytest.raises(PluginError, match=reason):
        hub.generate("toy-broken", 1)


def test_a_plugin_whose_name_differs_from_its_metadata_is_broken(install, document):
    install("toy-other", document=document)
    _, broken = plugins.discover()
    assert "metadata.json names toy-noise" in str(broken[0])


def test_an_entry_point_that_names_nothing_is_broken_and_harms_no_other(install):
    install("toy-noise")
    install("toy-odd", target="1 + 1")
    found, broken = plugins.discover()
    assert "toy-noise" in names(found)
    assert "must be package or package:object" in str(broken[0])


def test_a_plugin_whose_package_is_gone_is_broken(install, tmp_path):
    package = install()
    package.rename(tmp_path / "elsewhere")
    _, broken = plugins.discover()
    assert "package medigan_model_toy_noise is not installed" in str(broken[0])


@pytest.mark.parametrize("intruder", ["a-first-in-the-alphabet", "zz-last-in-the-alphabet"])
def test_of_two_plugins_with_one_name_the_one_that_its_metadata_names_wins(
    install, document, intruder
):
    install("toy-noise")
    install("toy-noise", distribution=intruder, document=document)
    found, broken = plugins.discover()
    (plugin,) = [plugin for plugin in found if plugin.metadata.name == "toy-noise"]
    assert plugin.distribution == "medigan-model-toy-noise"
    assert [entry.distribution for entry in broken] == [intruder]
    assert "offers a model of that name too" in broken[0].reason


def test_a_plugin_that_cannot_be_imported_is_an_error_only_when_it_runs(install):
    install("toy-noise")
    install("toy-import", code="import module_that_nobody_has")
    hub = Hub()
    assert {"toy-noise", "toy-import"} <= {entry.metadata.name for entry in hub.models()}
    with pytest.raises(PluginError, match=r"can't be imported: .*module_that_nobody_has"):
        hub.generate("toy-import", 1)
    assert len(next(iter(hub.generate("toy-noise", 1)))) == 1


def test_a_plugin_that_exits_on_import_does_not_end_the_program(install):
    install(code="raise SystemExit(3)")
    with pytest.raises(PluginError, match="can't be imported: SystemExit"):
        Hub().generate("toy-noise", 1)


def test_a_plugin_without_the_object_that_it_names_is_an_error(install):
    install(target="nothing")
    with pytest.raises(PluginError, match="can't be imported: AttributeError"):
        Hub().generate("toy-noise", 1)


def test_a_plugin_without_hooks_is_an_error(install):
    install(code="plugin = object()")
    with pytest.raises(PluginError, match="lacks the hook model_metadata"):
        Hub().generate("toy-noise", 1)


def test_a_hook_with_unknown_arguments_is_an_error(install):
    install(
        code="""
        from medigan_hub import hookimpl
        class Plugin:
            @hookimpl
            def generate(self, request, speed): ...
        plugin = Plugin()
        """
    )
    with pytest.raises(PluginError, match="speed"):
        Hub().generate("toy-noise", 1)


def test_a_plugin_that_describes_itself_differently_is_an_error(install):
    install(
        code="""
        from medigan_hub import hookimpl
        class Plugin:
            @hookimpl
            def model_metadata(self): return {"name": "something else"}
            @hookimpl
            def generate(self, request): return iter(())
        plugin = Plugin()
        """
    )
    with pytest.raises(PluginError, match="differently from its metadata"):
        Hub().generate("toy-noise", 1)


def test_a_module_can_be_the_plugin(install):
    install(
        code="""
        import json, pathlib
        import numpy as np
        from medigan_hub import SampleBatch, hookimpl

        @hookimpl
        def model_metadata():
            return json.loads(pathlib.Path(__file__).with_name("metadata.json").read_text())

        @hookimpl
        def generate(request):
            for indices in request.batches():
                image = np.zeros((len(indices), 8, 6, 1), np.uint8)
                yield SampleBatch(np.asarray(indices), {"image": image})

        import sys
        plugin = sys.modules[__name__]
        """
    )
    assert len(next(iter(Hub().generate("toy-noise", 3)))) == 3


def test_a_broken_extension_is_a_warning(install):
    install("toy-writer", group=plugins.EXTENSIONS, code="import module_that_nobody_has")
    with pytest.warns(HubWarning, match="extension toy-writer .* can't be imported"):
        parts = list(plugins.extensions(object()))
    assert [distribution for distribution, _ in parts] == ["medigan-hub"]


def test_nothing_is_warned_of_when_all_is_well(install):
    install()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Catalogue()


def test_a_plugin_is_loaded_once_until_it_is_another(install, document):
    package = install(document=document)
    (plugin,) = [each for each in plugins.discover()[0] if each.metadata.name == "toy-noise"]
    hooks = plugins.load(plugin)
    assert plugins.load(plugin) is hooks
    changed = document | {"title": "Another"}
    (package / "metadata.json").write_text(json.dumps(changed))
    del sys.modules[package.name]
    (plugin,) = [each for each in plugins.discover()[0] if each.metadata.name == "toy-noise"]
    assert plugins.load(plugin).model_metadata()["title"] == "Another"


def test_what_extensions_offer_is_asked_for_once_until_something_is_installed(install):
    code = """
    from medigan_hub import hookimpl

    class Plugin:
        asked = 0

        @hookimpl
        def register_writers(self):
            self.asked += 1
            return []

    plugin = Plugin()
    """
    install("toy-writer", group=plugins.EXTENSIONS, code=code)
    time.sleep(0.05)  # for the folder to be known by its time
    known = writers.names()
    from medigan_model_toy_writer import plugin

    assert writers.names() == known
    assert plugin.asked == 1
    install("toy-noise")
    assert writers.names() == known
    assert plugin.asked == 2
