"""NUS-WIDE's official archives in small: five images, with the quirks of the real ones."""

import zipfile

import numpy as np

CONCEPTS = {"lake": "00001", "sky": "11100", "sea": "01010"}  # rows 0 to 4
TAGS = np.random.default_rng(0).integers(0, 2, (5, 1000))
TAG_LIST = [f"tag{j}" for j in range(1000)]
IMAGE_LIST = [f"dir{i}\\000{i}_77{i}.jpg" for i in range(5)]


def tag_lines(rows=TAGS, tail="\t"):
    """The official form: columns ended by tabs, the last one as well."""
    return ["\t".join(map(str, row)) + tail for row in rows]


def make(folder, *, concepts=CONCEPTS, tags=None, tag_list=TAG_LIST, images=IMAGE_LIST, ends="\n"):
    def text(lines):
        return ends.join(lines) + ends

    with zipfile.ZipFile(folder / "Groundtruth.zip", "w") as archive:
        for name, column in concepts.items():
            archive.writestr(f"Groundtruth/AllLabels/Labels_{name}.txt", text(column))
        archive.writestr("Groundtruth/TrainTestLabels/Labels_lake_Train.txt", "-1130179\n")
    with zipfile.ZipFile(folder / "NUS_WID_Tags.zip", "w") as archive:
        archive.writestr("NUS_WID_Tags/AllTags1k.txt", text(tag_lines() if tags is None else tags))
        archive.writestr("NUS_WID_Tags/All_Tags.txt", text(["0 wrong tag0"] * 5))
        archive.writestr("NUS_WID_Tags/TagList1k.txt", text(tag_list))
    with zipfile.ZipFile(folder / "ImageList.zip", "w") as archive:
        archive.writestr("ImageList/TestImagelist.txt", text(["wrong"]))
        archive.writestr("ImageList/TrainImagelist.txt", text(["wrong"]))
        archive.writestr("ImageList/Imagelist.txt", text(images))
    return folder
