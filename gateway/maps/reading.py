"""Extract files -> survey: the one file of this room that knows pyroutelib3."""

import lzma
import struct
import zlib
from pathlib import Path
from xml.sax import SAXException

from gateway.errors import CommandError
from gateway.maps.extract import Survey


def survey(path: Path, *, has_buildings: bool = True) -> Survey:
    """Read an extract (.osm.pbf, .osm.gz, .osm.bz2, .osm) twice.

    Raises: CommandError when it is not one.
    """
    # Imported here: 0.2 s that no other command should wait for.
    from google.protobuf.message import DecodeError
    from pyroutelib3.osm.reader import Node, PBFError, Way, read_features

    from gateway.router.roads import format_of

    result = Survey(has_buildings)
    try:
        with path.open("rb") as file:
            kind = format_of(file)
            for feature in read_features(file, kind):
                if isinstance(feature, Way):
                    result.take_way(feature.id, feature.nodes, feature.tags)
                elif not isinstance(feature, Node):
                    result.take_relation(((one.type, one.ref, one.role) for one in feature.members), feature.tags)
            result.surveyed()
            file.seek(0)
            for feature in read_features(file, kind):
                if isinstance(feature, Node):
                    result.take_node(feature.id, *feature.position, feature.tags)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    except (PBFError, DecodeError, SAXException, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, KeyError, IndexError) as error:
        raise CommandError(f"{path}: not an OpenStreetMap extract that can be read: {error}") from error
    return result
