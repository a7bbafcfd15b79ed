"""What an operator's area file may say, and how we tell what is wrong with it."""

import json

import pytest

from gateway.router.geojson import COMPLAINTS_MAX, Unmeant, lat_lon_e7, read

SQUARE = [[3.0, 51.0], [4.0, 51.0], [4.0, 52.0], [3.0, 52.0], [3.0, 51.0]]
HOLE = [[3.4, 51.4], [3.6, 51.4], [3.6, 51.6], [3.4, 51.6], [3.4, 51.4]]


def feature(geometry, **properties):
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def collection(*features):
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


def complaints(document, chosen=None):
    return read(document if isinstance(document, str) else json.dumps(document), chosen).complaints


def test_latitude_comes_first_from_here_on():
    assert lat_lon_e7([3.7212345, 51.0543210]) == (510543210, 37212345)


@pytest.mark.parametrize(
    "document",
    [
        polygon(SQUARE, HOLE),
        feature(polygon(SQUARE, HOLE)),
        {"type": "FeatureCollection", "features": [feature(polygon(SQUARE, HOLE), name="x")]},
        {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE]]},
        feature({"type": "GeometryCollection", "geometries": [polygon(SQUARE, HOLE)]}),
        {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": [polygon(SQUARE, HOLE)]}]},
    ],
    ids=["polygon", "feature", "collection", "multi", "geometries", "nested"],
)
def test_every_shape_of_geojson_reads_the_same(document):
    reading = read("\ufeff" + json.dumps(document))
    assert not reading.complaints
    (part,) = reading.parts
    assert part.rings[0][0] == (510000000, 30000000) and len(part.rings) == 2
    assert part.box() == (510000000, 30000000, 520000000, 40000000)


def test_altitude_is_ignored():
    assert len(read(json.dumps(polygon([[*place, 12.5] for place in SQUARE]))).parts) == 1


@pytest.mark.parametrize(
    ("position", "word"),
    [
        ([51.0], "not \\[longitude, latitude\\]"),
        ("3,51", "not \\[longitude, latitude\\]"),
        (["3", "51"], '"3" is not a number'),
        ([True, 51], "true|not a number"),
        ([None, 51], "null is not a number"),
        ([float("nan"), 51.0], "NaN is not a number"),
        ([float("inf"), 51.0], "Infinity is not a number"),
        ([10**400, 51], "not a number of degrees"),
        ([51.0, 121.5], "swapped"),
        ([104000.0, 194000.0], "no degrees"),
        ([181.0, 0.0], "no degrees"),
    ],
    ids=str,
)
def test_a_position_that_is_none_is_named(position, word):
    with pytest.raises(Unmeant, match=word):
        lat_lon_e7(position)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes in line 1, column 2"),
        ("[]", "not GeoJSON"),
        ('{"type":"Topology","objects":{}}', "TopoJSON"),
        ("[" * 100_000, "nested too deeply"),
        ({"type": "FeatureCollection"}, "without a list of features"),
        ({"type": "FeatureCollection", "features": []}, "holds no polygon"),
        ({"type": "FeatureCollection", "features": [7]}, "feature 0: not a Feature"),
        (feature(None, name="Gent"), "feature (Gent): has no geometry"),
        (feature({"type": "Point", "coordinates": [3, 51]}, name="Gent"), "feature (Gent): Point has no area"),
        (polygon(), "a polygon without rings"),
        (polygon(SQUARE[:3]), "outline: a ring needs four positions"),
        (polygon(SQUARE[:-1]), "outline: the ring is not closed"),
        (polygon(SQUARE, HOLE[:-1]), "hole 1: the ring is not closed"),
        (polygon([[3, 51], [4, 51], [5, 51], [3, 51]]), "the ring has no area"),
        (polygon([[179, 0], [-179, 0], [-179, 1], [179, 0]]), "position 1: crosses the antimeridian; cut the area in two"),
        ({**polygon(SQUARE), "crs": {"type": "name", "properties": {"name": "EPSG:31370"}}}, "EPSG:31370"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_fault_is_told_with_its_feature_and_place(document, said):
    (complaint,) = complaints(document)
    assert said in complaint


def test_every_fault_of_a_file_is_told_at_once():
    document = collection(feature(polygon(SQUARE[:-1]), name="one"), feature(polygon(SQUARE)), feature(None, name="three"))
    assert complaints(document) == [
        "feature 0 (one), outline: the ring is not closed: its last position must equal its first",
        "feature 2 (three): has no geometry",
    ]


def test_a_file_of_faults_is_cut_short():
    said = complaints(collection(*[feature(None)] * 100))
    assert len(said) == COMPLAINTS_MAX + 1 and said[-1] == "and 80 more complaints"


def test_wgs84_by_its_old_name_is_no_fault():
    assert not complaints({**polygon(SQUARE), "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}})


class TestFilter:
    DOCUMENT = collection(
        feature(polygon(SQUARE), province="Oost-Vlaanderen", nis=["44021", "44013"], number=7),
        feature(polygon(HOLE), province="Antwerpen", nis=["11002"], number=8),
    )

    @pytest.mark.parametrize("chosen", ["province=Oost-Vlaanderen", "nis=44013", "number=7"])
    def test_picks_features_by_text_number_or_member_of_a_list(self, chosen):
        reading = read(self.DOCUMENT, chosen)
        assert not reading.complaints and [part.name for part in reading.parts] == ["feature 0 (Oost-Vlaanderen)"]

    def test_names_the_nearest_value(self):
        assert complaints(self.DOCUMENT, "province=Oost-Vlanderen") == ["no feature has province=Oost-Vlanderen; near: Oost-Vlaanderen"]

    def test_names_the_properties_there_are(self):
        assert complaints(self.DOCUMENT, "provincie=x") == ["no feature has a property 'provincie'; there are: nis, number, province"]

    def test_wants_property_and_value(self):
        assert complaints(self.DOCUMENT, "Antwerpen") == ["the filter 'Antwerpen' is not property=value"]

    def test_leaves_faults_of_other_features_alone(self):
        document = collection(feature(polygon(SQUARE), zone="a"), feature(polygon(HOLE[:-1]), zone="b"))
        assert not complaints(document, "zone=a")
