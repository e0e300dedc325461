// Copies the recordings of QuPath's view tracking beside project.qpproj, a file a recording, named
// after its image: "slide.svs - Recording 0.tsv".
//
// QuPath writes what its view tracking records to the folder "recordings" of an image's entry in the
// project, a line a view, while it records. Run this in the script editor with "Run" when recording
// has stopped; it goes through all images of the open project by itself. Then, for each file:
//
//     coverslip sessions import "slide.svs - Recording 0.tsv" --slide slide.svs
//
// Written against the names in QuPath's source (ProjectImageEntry.getEntryPath, ViewTracker); untried
// in QuPath itself.

import java.nio.file.Files
import qupath.lib.projects.Projects

def project = getProject()
if (project == null) {
    print "Open a project first."
    return
}
def folder = Projects.getBaseDirectory(project)
def copied = 0
for (entry in project.getImageList()) {
    def entryPath = entry.getEntryPath()
    def recordings = entryPath == null ? null : new File(entryPath.toFile(), "recordings")
    if (recordings == null || !recordings.isDirectory()) {
        continue
    }
    def name = entry.getImageName().replaceAll("[\\\\/:*?\"<>|]", "_")
    for (recording in recordings.listFiles().sort()) {
        if (!recording.getName().toLowerCase().endsWith(".tsv")) {
            continue
        }
        def file = new File(folder, name + " - " + recording.getName())
        if (file.exists()) {
            print file.getName() + " is there already and was left as it is."
            continue
        }
        Files.copy(recording.toPath(), file.toPath())
        copied++
    }
}
print copied + " recordings copied to " + folder
